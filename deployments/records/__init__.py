"""What the agents keep: tickets and their history, and the answers to calls that may be repeated."""

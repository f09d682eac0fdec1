"""What every feature shares: ids, messages, errors and ports. Standard library only."""

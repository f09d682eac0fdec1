"""The agents: each answers from its collection, and has operations of its own."""

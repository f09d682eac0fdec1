"""The agents: what each one asks of its collection, and how."""

"""The database that knowledge and records share: its connection, the history of its tables."""

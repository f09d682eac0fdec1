"""The database that knowledge and records share: connection, locks, migrations, stored vectors."""

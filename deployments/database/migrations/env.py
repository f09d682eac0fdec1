"""Alembic runs this file; it migrates on the connection in the config's attributes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()

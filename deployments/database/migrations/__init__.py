"""The database's history, of all features that store in it: one line of revisions in `versions`.

Revisions don't import tables from the code: they describe what was, the code what is.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings a database up to a revision, the newest one, inside the connection's transaction."""
    config = Config()
    # Percent signs are for interpolation there.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)

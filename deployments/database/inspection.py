"""Looks at a database without changing it."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deployments.core.errors import ConfigurationError, KnowledgeUnavailable
from deployments.database.migrations import revisions

_CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database as it is."""

    dialect: str
    revision: str | None
    """Its migration; None if it has no tables."""
    newest: str
    """The newest migration of this version."""
    known: bool
    """Whether this version can migrate it."""


async def inspect(url: str) -> DatabaseState:
    """The state of the database at `url` (as `Database.open` takes it). Others may use it meanwhile.

    Raises KnowledgeUnavailable with the driver's message, which names hosts and users: it is for operators.
    Raises ConfigurationError if `url` is no database URL.
    """
    engine = create_async_engine(reading_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            revision = await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    except (DBAPIError, OSError) as error:
        raise KnowledgeUnavailable(f"the database can't be used: {getattr(error, 'orig', error)}") from error
    finally:
        await engine.dispose()
    known = revisions()
    return DatabaseState(engine.dialect.name, revision, known[0], revision is None or revision in known)


def reading_url(url: str) -> URL:
    """The URL by which SQLAlchemy opens a database for reading. Raises ConfigurationError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The message omits the URL, which may contain a password.
        raise ConfigurationError("DATABASE_URL is not a database URL", "database_url") from None
    if parsed.get_backend_name() == "sqlite":
        return URL.create(
            "sqlite+aiosqlite", database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"}
        )
    return parsed.set(drivername="postgresql+psycopg").update_query_dict(
        {"connect_timeout": str(_CONNECT_TIMEOUT_S)}
    )

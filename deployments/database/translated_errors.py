"""Turns the errors of database drivers into this application's."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from deployments.core.errors import InternalFault, KnowledgeUnavailable

log = logging.getLogger(__name__)


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Raises KnowledgeUnavailable for a database that fails, InternalFault for a refused statement."""
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError) as error:
        raise InternalFault("the database refused a statement") from error
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        # The driver's own message: SQLAlchemy's would add the statement with its values. It names hosts,
        # users and paths, so callers don't get it.
        log.error("the database can't be used: %s", getattr(error, "orig", None) or error)
        raise KnowledgeUnavailable("the database can't be used; try again later") from error

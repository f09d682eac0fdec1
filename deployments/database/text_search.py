"""Searches a whole database for a text, without changing it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Text, cast, column, func, inspect, literal_column, or_, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deployments.core.errors import KnowledgeUnavailable
from deployments.database.inspection import reading_url


async def find_texts(url: str, texts: Sequence[str]) -> dict[str, int]:
    """In how many rows each column has one of the texts, in any case: "table.column" -> rows.

    Reads every column of every table, also those that this version does not know. Others may use the database
    meanwhile. Raises KnowledgeUnavailable with the driver's message, which is for operators, and
    ConfigurationError if `url` is no database URL.
    """
    engine = create_async_engine(reading_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_find, texts)
    except (DBAPIError, OSError) as error:
        raise KnowledgeUnavailable(f"the database can't be used: {getattr(error, 'orig', error)}") from error
    finally:
        await engine.dispose()


def _find(connection: Connection, texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    known = inspect(connection)
    for name in known.get_table_names():
        for described in known.get_columns(name):
            value = cast(column(described["name"]), Text)
            has_text = or_(*(value.icontains(one, autoescape=True) for one in texts))
            query = select(func.count(literal_column("1"))).select_from(table(name)).where(has_text)
            rows = connection.scalar(query) or 0
            if rows:
                found[f"{name}.{described['name']}"] = rows
    return found

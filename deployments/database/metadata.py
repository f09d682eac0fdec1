"""SQLAlchemy's metadata, which the tables of all features register with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Row

AnyRow = Row[*tuple[Any, ...]]
"""A result row with any columns."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

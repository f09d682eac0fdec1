"""Stamps: they identify a collection's contents, also in a database restored from a backup."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collections", sa.Column("stamp", sa.String(32), nullable=False, server_default=""))
    present = sa.table("collections", sa.column("stamp", sa.String))
    op.execute(present.update().values(stamp=secrets.token_hex(16)))

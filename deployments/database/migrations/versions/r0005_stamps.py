"""What tells a collection's contents from all others, even in a database restored to an earlier day."""

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

"""The version of the code that cut an index's documents. Another version cuts all of them again."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("indexes", sa.Column("chunking_version", sa.Integer(), nullable=False, server_default="1"))

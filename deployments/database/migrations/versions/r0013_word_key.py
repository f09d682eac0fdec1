"""Each index has a secret key for the hashes of its words, so that nobody can make words of equal hashes."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("indexes", sa.Column("word_key", sa.LargeBinary(16), nullable=False, server_default=""))
    connection = op.get_bind()
    for index_id in connection.scalars(sa.text("SELECT id FROM indexes")).all():
        values = {"id": index_id, "key": secrets.token_bytes(16)}
        connection.execute(sa.text("UPDATE indexes SET word_key = :key WHERE id = :id"), values)

"""The text index holds hashes of words, the same in both databases. The next start fills it again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TABLE chunk_search")
    if op.get_bind().dialect.name == "sqlite":
        # Each word is a number; detail and columnsize leave out what only phrases and bm25() need.
        op.execute(
            "CREATE VIRTUAL TABLE chunk_search USING fts5"
            "(keys, tokenize = 'ascii', detail = 'none', columnsize = 0)"
        )
        return
    op.create_table(
        "chunk_search",
        sa.Column("chunk_id", sa.Integer, nullable=False),
        sa.Column("keys", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.PrimaryKeyConstraint("chunk_id", name="pk_chunk_search"),
        sa.ForeignKeyConstraint(
            ["chunk_id"], ["chunks.id"], name="fk_chunk_search_chunk_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_chunk_search_keys", "chunk_search", ["keys"], postgresql_using="gin")

"""PostgreSQL's text index: words split as questions are, no longer by PostgreSQL's own parser.

That parser reads `TW-4003` as a word and a negative number, `config.yaml` as a host name.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BATCH = 1000
_NEXT = sa.text(
    "SELECT c.id, d.title, c.heading, c.body FROM chunks c JOIN documents d ON d.id = c.document_id "
    "WHERE c.id > :last ORDER BY c.id LIMIT :batch"
)
_REBUILD = sa.text(
    """
    UPDATE chunk_search SET words = setweight(to_tsvector('english', :title), 'A')
        || setweight(to_tsvector('english', :heading), 'B')
        || setweight(to_tsvector('english', :body), 'D')
    WHERE chunk_id = :id
    """
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    # The lock makes writers wait before their first row. If they waited row by row, they could deadlock
    # with this migration.
    op.execute("LOCK TABLE chunk_search IN SHARE ROW EXCLUSIVE MODE")
    last = 0
    while rows := connection.execute(_NEXT, {"last": last, "batch": _BATCH}).all():
        connection.execute(
            _REBUILD,
            [
                {
                    "id": row.id,
                    "title": _words(row.title),
                    "heading": _words(row.heading),
                    "body": _words(row.body),
                }
                for row in rows
            ],
        )
        last = rows[-1].id


def _words(text: str) -> str:
    """Returns letters, digits and marks without accents, with a blank for each other character."""
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(char for char in decomposed if unicodedata.category(char) != "Mn").casefold()
    return "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in bare)

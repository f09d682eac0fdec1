"""On SQLite, no operation reads the chunks or documents of other collections.

SQLite has no statistics here, so it chooses the same plans for three rows as for millions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from deployments.core.conversations import segment_digest
from deployments.core.document_labels import document_filter
from deployments.core.documents import DocumentDraft, SearchQuery
from deployments.core.ids import DocId
from deployments.database.connection import Database
from deployments.knowledge.current_segments import DocumentSegments
from tests.contract.knowledge.conftest import SCOPE, Knowledge

OF_ALL = re.compile(
    r"SCAN (c|d|chunks|documents|wordings|document_labels|collection_changes)\b"
    r"|SEARCH \w+ USING (COVERING )?INDEX \w+ \((index_id|tenant)=\?\)"
)
"""A step that walks a table, or all rows of an index of vectors, or of a tenant."""
COUNTED = "FROM documents \nWHERE documents.tenant = ?"
"""The quotas of a tenant are counted in an index that has nothing else."""


@contextmanager
def executed(database: Database) -> Iterator[dict[str, Any]]:
    """Collects the statements that are executed in this context, each with parameters."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        found[statement] = values[0] if many else values

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_no_statement_reads_other_collections(knowledge: Knowledge) -> None:
    if knowledge.database.dialect != "sqlite":
        return  # PostgreSQL chooses its plans by statistics
    only = document_filter({"lang": ["en", "de"], "kind": "a"}, ["d1", "d2"])
    with executed(knowledge.database) as statements:
        for text in ("one needle", "another needle"):
            for number in range(3):
                draft = DocumentDraft(
                    DocId(f"d{number}"),
                    "T",
                    None,
                    "text/markdown",
                    f"{text} {number}".encode(),
                    ("How?",),
                    metadata={"lang": "en", "kind": "a"},
                )
                await knowledge.service.put(SCOPE, draft)
            await knowledge.service.search(SearchQuery(SCOPE, text, 5))
        await knowledge.service.search(SearchQuery(SCOPE, "needle AB-1", 5, None, only))
        await knowledge.service.search_text(SCOPE, "needle", 5, only)
        await knowledge.service.list(SCOPE, 5, DocId("a"), only)
        await knowledge.service.passages_of(SCOPE, [DocId("d1")])
        await knowledge.service.discard_segments(SCOPE, "d*")
        passages = (await knowledge.service.passages_of(SCOPE, [DocId("d1")])).passages
        digests = [segment_digest(passage.segment) for passage in passages]
        assert await DocumentSegments(knowledge.database).current_segments(SCOPE, digests)
        await knowledge.service.delete(SCOPE, DocId("d1"))
    assert len(statements) > 20
    walks = {}
    async with knowledge.database.snapshot() as connection:
        for statement, values in statements.items():
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row.detail for row in plan]
            if found := [step for step in steps if OF_ALL.search(step)]:
                walks[statement] = found
    unexpected = {s: steps for s, steps in walks.items() if COUNTED not in s}
    assert unexpected == {}, unexpected

"""Full text finds identifiers (`TW-4003`, `config.yaml`), on every database and after migrations."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import Scope, TenantId
from deployments.database.connection import Database
from deployments.database.migrations import upgrade
from deployments.knowledge.fulltext import IndexedText, TextQuery, full_text
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start

TEXTS = {
    "too-large": "The error TW-4003 means that a file is too large.",
    "password": "The errors TW-2005, TW-2006, TW-2007 and TW-2008 are about passwords.",
    "numbers": "Of 4003 files 2005 have no error.",
    "config": "The key stands in config.yaml on the server.",
    "compose": "The key of the config stands in compose.yaml or in key.yaml.",
    "api": "Requests go to api.example.com alone.",
    "site": "The api has a page at www.example.com, and example.com leads there.",
    "accents": "Résumés à la carte are words of the French.",
}
FIRST = [
    ("What is TW-4003?", "too-large"),
    ("tw-2005", "password"),
    ("TW-2008", "password"),
    ("where is config.yaml", "config"),
    ("compose.yaml", "compose"),
    ("api.example.com", "api"),
    ("https://www.example.com/", "site"),
    ("resume", "accents"),
]
CHUNKS = 2100
"""Chunks of the older database: more than one batch of the migration."""


@pytest.mark.parametrize(("question", "first"), FIRST)
async def test_a_chunk_with_the_whole_identifier_ranks_first(
    knowledge: Knowledge, question: str, first: str
) -> None:
    for doc_id, body in TEXTS.items():
        await knowledge.put(doc_id, body, "T")
    hits = await knowledge.service.search_text(SCOPE, question, 5)
    assert hits[0].doc_id == first
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


QUESTIONS = ["alpha", "beta", "gamma", "alpha beta", "gamma beta alpha", "delta-7 alpha gamma", "delta-7"]


async def seen(knowledge: Knowledge) -> list[object]:
    """All that one tenant can see of searches, with scores, order, count and snippets."""
    search, search_text = knowledge.search, knowledge.service.search_text
    return [(await search_text(SCOPE, question, 5), await search(question)) for question in QUESTIONS]


async def test_nothing_that_a_tenant_sees_depends_on_another_tenants_documents(knowledge: Knowledge) -> None:
    """Word by word: else scores would tell how often a word stands in documents of others, and when."""
    await knowledge.put("a", "alpha beta delta-7 here", "T")
    await knowledge.put("b", "gamma gamma, and beta in a much longer text with many other words", "T")
    await knowledge.put("c", "alpha and gamma, delta 7", "Beta")
    await knowledge.put("d", "## Gamma\n\nalpha alpha alpha and more", "T")
    before = await seen(knowledge)
    other = Scope(TenantId("other"), SCOPE.collection)
    for word in ("alpha", "beta", "gamma", "delta-7"):
        for number in range(8):
            await knowledge.put(f"{word}{number}", f"{word} " * (number + 1), word, scope=other)
        assert await seen(knowledge) == before, word


async def test_a_score_says_the_rank(knowledge: Knowledge) -> None:
    for number in range(3):
        await knowledge.put(f"d{number}", f"needle {'hay ' * number}", "T")
    hits = await knowledge.service.search_text(SCOPE, "needle", 5)
    assert [hit.score for hit in hits] == [1 / 61, 1 / 62, 1 / 63]


async def test_a_rare_word_of_the_collection_counts_more(start: Start) -> None:
    """On SQLite. PostgreSQL's ranking ignores how rare a word is."""
    knowledge = await start()
    if knowledge.database.dialect != "sqlite":
        return
    for number in range(4):
        await knowledge.put(f"a{number}", "common words", "T")
    await knowledge.put("rare", "scarce words", "T")
    hits = await knowledge.service.search_text(SCOPE, "common scarce", 5)
    assert hits[0].doc_id == "rare"


async def test_a_search_fuses_vectors_with_the_identifier(knowledge: Knowledge) -> None:
    for doc_id, body in TEXTS.items():
        await knowledge.put(doc_id, body, "T")
    assert (await knowledge.found("Which is TW-4003"))[0] == "too-large"


async def test_an_older_database_finds_identifiers_after_migration(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("deployments.database.connection.upgrade", partial(upgrade, revision="0006"))
        older = await Database.open(database_url)
    async with older.transaction() as connection:
        await fill(connection, older.dialect)
    await older.close()
    database = await Database.open(database_url)
    async with database.snapshot() as connection:
        for question, first in FIRST:
            query = TextQuery(1, SCOPE, None, question, 5)
            (match, *_) = await full_text(database.dialect).search(connection, query)
            assert bodies()[match.chunk_id] == TEXTS[first]
    if database.dialect == "postgresql":
        await check_words(database)
    await database.close()


def bodies() -> dict[int, str]:
    """Texts by chunk id: `TEXTS` spread among filler chunks, from the first to the last."""
    filler = dict.fromkeys(range(1, CHUNKS + 1), "other words")
    places = [CHUNKS * number // (len(TEXTS) - 1) or 1 for number in range(len(TEXTS))]
    return filler | dict(zip(places, TEXTS.values(), strict=True))


async def fill(connection: AsyncConnection, dialect: str) -> None:
    """Inserts one document with many chunks, as revision 0006 stored them."""
    words = {
        "sqlite": "INSERT INTO chunk_search (rowid, title, heading, body) VALUES (:id, 'T', 'H', :body)",
        "postgresql": "INSERT INTO chunk_search VALUES (:id, setweight(to_tsvector('english', 'T'), 'A') "
        "|| setweight(to_tsvector('english', 'H'), 'B') || setweight(to_tsvector('english', :body), 'D'))",
    }
    rows = [{"id": id_, "body": body} for id_, body in bodies().items()]
    for statement in (
        "INSERT INTO documents (id, tenant, collection, doc_id, title, content, version, created_at_s, "
        "updated_at_s) VALUES (1, 'acme', 'kb', 'd', 'T', '', 1, 0, 0)",
        "INSERT INTO indexes VALUES (1, 'fake', 'words', 32, 'active')",
    ):
        await connection.execute(text(statement))
    for statement in (
        "INSERT INTO chunks (id, index_id, document_id, ordinal, heading, body, segment_hash) "
        "VALUES (:id, 1, 1, :id, 'H', :body, '')",
        words[dialect],
    ):
        await connection.execute(text(statement), rows)


async def check_words(database: Database) -> None:
    """Migrated rows are equal to rows that are written again."""
    statement = text("SELECT chunk_id, CAST(words AS text) FROM chunk_search ORDER BY chunk_id")
    async with database.transaction() as connection:
        migrated = (await connection.execute(statement)).all()
        await connection.execute(text("DELETE FROM chunk_search"))
        texts = [IndexedText(id_, "T", "H", body) for id_, body in bodies().items()]
        await full_text(database.dialect).add(connection, texts)
        assert (await connection.execute(statement)).all() == migrated

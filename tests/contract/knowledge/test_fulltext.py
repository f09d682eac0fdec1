"""Full text finds what is spelt, in every script, on every database and after migrations."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.ids import DocId, Scope, TenantId
from deployments.database.connection import Database
from deployments.database.migrations import upgrade
from deployments.knowledge.fulltext import ChunkWords, Place, TextScope, WordQuery, full_text
from deployments.knowledge.search_terms import search_terms
from deployments.knowledge.text_ranking import rank
from deployments.knowledge.text_reindexing import reindex_texts
from tests.contract.knowledge.conftest import SCOPE, Knowledge, statements

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
SCRIPTS = {
    "german": "Straße und Hausnummer stehen im Profil. Die Größe ist begrenzt.",
    "hidden": "The quar\u00adterly re\u200bport",
    "wide": "エラー番号ＡＢ１２３が表示された場合",
    "chinese": "请在设置中重置密码。",
    "thai": "กรุณาเปลี่ยนรหัสผ่านใหม่",
    "korean": "서버를 다시 시작하세요",
}
SPELT = [
    ("Straße", "german"),
    ("GRÖSSE", "german"),
    ("strasse", "german"),
    ("quarterly", "hidden"),
    ("report", "hidden"),
    ("AB123", "wide"),
    ("ab１２３", "wide"),  # noqa: RUF001
    ("番号", "wide"),
    ("密码", "chinese"),
    ("รหัสผ่าน", "thai"),
    ("서버", "korean"),
    ("서버가", "korean"),
]
CHUNKS = 2100
"""Chunks of the older database: more than one batch."""
WITHIN = TextScope(1, b"key of the index", SCOPE)


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


async def test_a_rare_word_of_the_collection_counts_more(knowledge: Knowledge) -> None:
    for number in range(4):
        await knowledge.put(f"a{number}", "common words", "T")
    await knowledge.put("rare", "scarce words", "T")
    hits = await knowledge.service.search_text(SCOPE, "common scarce", 5)
    assert hits[0].doc_id == "rare"


async def test_words_are_found_in_every_script_and_form(knowledge: Knowledge) -> None:
    for doc_id, body in SCRIPTS.items():
        await knowledge.put(doc_id, body, "T")
    for question, doc_id in SPELT:
        hits = await knowledge.service.search_text(SCOPE, question, 5)
        assert [hit.doc_id for hit in hits] == [doc_id], question
        assert hits[0].snippet


async def test_a_deleted_or_replaced_text_is_found_no_more(knowledge: Knowledge) -> None:
    await knowledge.put("a", "first needle", "T")
    await knowledge.put("b", "second needle", "T")
    await knowledge.put("a", "straw", "T")
    await knowledge.service.delete(SCOPE, DocId("b"))
    assert await knowledge.service.search_text(SCOPE, "needle", 5) == ()
    async with knowledge.database.snapshot() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM chunk_search")) == 1


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
    await reindex_texts(database)
    within = await scope_of(database)
    async with database.snapshot() as connection:
        for question, first in FIRST:
            terms = search_terms(question)
            words = [term.word for term in terms]
            found = await full_text(database.dialect).find(
                connection, WordQuery(within, None, words, [*Place], 5000)
            )
            (best, *_) = rank(terms, found, CHUNKS).chunk_ids
            assert bodies()[best] == TEXTS[first]
    await check_words(database)
    await database.close()


async def test_texts_are_indexed_again_once(knowledge: Knowledge) -> None:
    await knowledge.put("a", "needle", "T")
    with statements(knowledge.database) as made:
        await reindex_texts(knowledge.database)
    assert not any("chunks" in statement for statement in made)


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


async def scope_of(database: Database) -> TextScope:
    """The collection in the only index."""
    async with database.snapshot() as connection:
        key = await connection.scalar(text("SELECT word_key FROM indexes"))
    return TextScope(1, bytes(key or b""), SCOPE)


async def check_words(database: Database) -> None:
    """Rows that were indexed again are equal to rows that are written the first time."""
    within = await scope_of(database)
    statement = text("SELECT * FROM chunk_search")
    async with database.transaction() as connection:
        again = sorted(map(str, await connection.execute(statement)))
        assert len(again) == CHUNKS
        await connection.execute(text("DELETE FROM chunk_search"))
        texts = {id_: ChunkWords.of("T", "H", body) for id_, body in bodies().items()}
        await full_text(database.dialect).add(connection, within, texts)
        assert sorted(map(str, await connection.execute(statement))) == again

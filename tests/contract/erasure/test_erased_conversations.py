"""Which conversations an erasure of documents deletes: those that tell what the documents said, no others."""

from __future__ import annotations

import pytest
from sqlalchemy import text as sql

from deployments.conversations import eraser
from deployments.core.erasure import ALL_GONE, MAX_SEGMENTS, ErasedPassages, ErasureKind, ErasureTarget
from tests.contract.erasure.conftest import ACME, ACTOR, SUPPORT_KB, Whole
from tests.contract.erasure.planting import (
    DOCUMENTS,
    OTHER_WORD,
    WORD,
    forget_hold,
    plant_conversation,
    put_text,
    send,
)
from tests.contract.knowledge.conftest import statements


async def conversations_left(whole: Whole) -> set[str]:
    async with whole.database.snapshot() as connection:
        return set(await connection.scalars(sql("SELECT conversation_id FROM conversations")))


async def test_conversations_about_other_documents_outlive_an_erasure(whole: Whole) -> None:
    """Also those that used a passage which an edit has replaced since."""
    await put_text(whole, "manual", WORD)
    await put_text(whole, "other", OTHER_WORD)
    await plant_conversation(whole, WORD, said="manual")
    await plant_conversation(whole, OTHER_WORD, said="other")
    await put_text(whole, "other", "something new")
    erased = await whole.erase(kind="document", collection=SUPPORT_KB, doc_id="manual")
    assert await conversations_left(whole) == {f"conv_{OTHER_WORD}None"}
    assert erased["removed"]["conversations"] == 1  # type: ignore[index]
    assert await whole.places(WORD) == []


@pytest.mark.parametrize("last", ["PUT", "DELETE"])
async def test_conversations_about_former_passages_go_too(whole: Whole, last: str) -> None:
    """Nothing tells which document had them."""
    await put_text(whole, "manual", WORD)
    await plant_conversation(whole, WORD, said="manual")
    if last == "PUT":
        await put_text(whole, "manual", "something new")
    else:
        await send(whole, "DELETE", f"{DOCUMENTS}/manual")
    await whole.erase(kind="document", collection=SUPPORT_KB, doc_id="manual")
    assert await conversations_left(whole) == set()


async def test_an_erasure_that_goes_on_knows_the_passages_of_what_it_erased(whole: Whole) -> None:
    """It died after the documents."""
    await put_text(whole, "manual", WORD)
    await put_text(whole, "other", OTHER_WORD)
    await plant_conversation(whole, WORD, said="manual")
    await plant_conversation(whole, OTHER_WORD, said="other")
    await put_text(whole, "other", "something new")
    target = ErasureTarget(ErasureKind.DOCUMENT, SUPPORT_KB, "manual")
    job = await whole.erasures.add(ACTOR, ACME, target)
    await whole.erasing._erase_documents(job)
    await forget_hold(whole)
    await whole.erasing.resume()
    assert await conversations_left(whole) == {f"conv_{OTHER_WORD}None"}


@pytest.mark.parametrize(
    "body", [{"kind": "customer", "user_id": "ann"}, {"kind": "tenant", "confirm": ACME}]
)
async def test_many_conversations_go_in_several_transactions(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, body: dict[str, str]
) -> None:
    """Others get the database in between, and no statement has more values than PostgreSQL takes."""
    monkeypatch.setattr(eraser, "_BATCH", 2)
    for number in range(5):
        await plant_conversation(whole, f"{WORD}{number}-", "ann")
    with statements(whole.database) as made:
        erased = await whole.erase(**body)
    assert erased["removed"]["conversations"] == 5  # type: ignore[index]
    assert await conversations_left(whole) == set()
    assert sum(one.startswith("DELETE FROM conversations") for one in made) == 4


def test_of_too_many_passages_all_that_are_gone_count() -> None:
    """An erasure's row stays small."""
    some = ErasedPassages(frozenset(map(str, range(MAX_SEGMENTS))), 7.0)
    assert (some | ErasedPassages(gone_until_s=5.0)) == some
    assert (some | ErasedPassages(frozenset({"one more"}))) == ALL_GONE

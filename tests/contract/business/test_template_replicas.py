"""Two replicas that write templates: after a call has returned, no older document replaces its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deployments.core.documents import DocumentDraft
from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope
from tests.contract.business.conftest import COLLECTION, Business
from tests.fake_business import ACME, a_template

SCOPE = Scope(ACME, COLLECTION)
Replicas = tuple[Business, Business]


async def put(business: Business, name: str, score: float) -> None:
    await business.memory.put_template(ACME, name, a_template(f"Name {name}", score))


async def change(business: Business) -> None:
    await put(business, "t", 0.75)


async def delete(business: Business) -> None:
    await business.memory.delete_template(ACME, "t")


@pytest.mark.parametrize("newer", [change, delete])
async def test_a_call_returns_after_the_document_of_an_earlier_one_that_is_slow(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch, newer: Callable[[Business], Awaitable[None]]
) -> None:
    """The earlier call has stored its record, and its document is being embedded."""
    slow, quick = replicas
    write, writing, go_on = slow.library.put, asyncio.Event(), asyncio.Event()
    events: list[str] = []

    async def held_up(*arguments: Any) -> Any:
        monkeypatch.undo()
        writing.set()
        await go_on.wait()
        ingested = await write(*arguments)
        events.append("earlier document")
        return ingested

    async def call_newer() -> None:
        await newer(quick)
        events.append("newer returned")

    monkeypatch.setattr(slow.library, "put", held_up)
    earlier = asyncio.create_task(put(slow, "t", 0.5))
    await writing.wait()
    later = asyncio.create_task(call_newer())
    await asyncio.wait([later], timeout=0.5)
    go_on.set()
    await asyncio.gather(earlier, later)
    assert events == ["earlier document", "newer returned"]
    if newer is delete:
        with pytest.raises(NotFound):
            await quick.knowledge.get(SCOPE, DocId("t"))
    else:
        assert "success score: 0.75" in (await quick.knowledge.get(SCOPE, DocId("t"))).content


async def test_a_start_writes_documents_of_templates_as_they_are_when_it_writes(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since it read the list, one template has been changed and one deleted."""
    running, starting = replicas
    running.library.down = True
    for name in ("changed", "deleted"):
        with pytest.raises(OSError, match="down"):
            await put(running, name, 0.5)
    running.library.down = False
    look, write = starting.templates.unpublished, starting.library.put
    written: list[str] = []

    async def looked_early() -> Any:
        found = await look()
        await put(running, "changed", 0.75)
        await running.memory.delete_template(ACME, "deleted")
        return found

    async def noted(scope: Scope, draft: DocumentDraft) -> Any:
        written.append(draft.raw.decode())
        return await write(scope, draft)

    monkeypatch.setattr(starting.templates, "unpublished", looked_early)
    monkeypatch.setattr(starting.library, "put", noted)
    await starting.memory.prepare(None)
    assert written
    assert all("success score: 0.75" in text for text in written)
    assert [d.doc_id for d in await starting.knowledge.list(SCOPE, 10, None)] == ["changed"]

"""Samples are loaded once in the life of a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.core.errors import NotFound
from deployments.core.ids import DEFAULT_TENANT, CollectionName, DocId, Scope, TenantId
from deployments.knowledge.samples import SAMPLES, read_samples
from tests.contract.knowledge.conftest import Start

KB = Scope(DEFAULT_TENANT, CollectionName("kb"))


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    (folder / "kb").mkdir(parents=True)
    for name in ("one", "two"):
        (folder / "kb" / f"{name}.md").write_text(
            f"---\ntitle: {name.title()}\nsection: s\n---\nText {name}.\n"
        )
    return folder


async def test_the_first_start_loads_samples_for_the_default_tenant_only(start: Start, samples: Path) -> None:
    knowledge = await start(samples=samples)
    listed = await knowledge.service.list(KB, 10, None)
    assert [(d.doc_id, d.title, d.section) for d in listed] == [("one", "One", "s"), ("two", "Two", "s")]
    assert await knowledge.service.list(Scope(TenantId("acme"), KB.collection), 10, None) == ()


async def test_a_deleted_sample_stays_deleted_and_an_edited_one_edited(start: Start, samples: Path) -> None:
    first = await start(samples=samples)
    await first.service.delete(KB, DocId("one"))
    await first.put("two", "Edited.", scope=KB)
    await first.service.close()
    await first.database.close()
    again = await start(samples=samples)
    with pytest.raises(NotFound):
        await again.service.get(KB, DocId("one"))
    assert (await again.service.get(KB, DocId("two"))).content == "Edited."


async def test_a_collection_added_by_a_later_release_is_loaded_then(start: Start, samples: Path) -> None:
    first = await start(samples=samples)
    await first.service.close()
    await first.database.close()
    (samples / "docs").mkdir()
    (samples / "docs" / "three.md").write_text("# Three\n\nText.")
    again = await start(samples=samples)
    assert await again.count() == 3


async def test_every_shipped_sample_has_a_title_and_a_section() -> None:
    from deployments.knowledge.readers.loaders import load

    for drafts in (await read_samples(SAMPLES)).values():
        for draft in drafts:
            loaded = load(draft)
            assert loaded.section, draft.doc_id
            assert loaded.title != draft.doc_id

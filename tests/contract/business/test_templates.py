"""Templates are stored as records and as documents, before a call returns; failed calls are completed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope, TenantId
from deployments.core.records.ideas import TypeSummary
from deployments.core.records.templates import BusinessType, Template, TemplateQuery
from tests.contract.business.conftest import COLLECTION, Business, Open
from tests.fake_business import ACME, SAAS, a_template

OTHER = TenantId("other")
SCOPE = Scope(ACME, COLLECTION)


async def put(business: Business, name: str, score: float = 0.9, **changes: Any) -> Template:
    return await business.memory.put_template(ACME, name, a_template(f"Name {name}", score, **changes))


async def recalled(business: Business, **query: Any) -> list[str]:
    values: dict[str, Any] = {"business_type": SAAS, "min_success_score": 0.0} | query
    return [t.template_id for t in await business.memory.recall_templates(TemplateQuery(ACME, **values))]


async def test_a_template_is_recalled_and_found_in_the_very_next_call(business: Business) -> None:
    made = await business.memory.add_template(ACME, a_template("Zebra stripes", 0.8), None)
    assert made.template_id.startswith("template-")
    assert await business.memory.get_template(ACME, made.template_id) == made
    assert await recalled(business) == [made.template_id]
    assert await business.found("zebra") == [made.template_id]
    document = await business.knowledge.get(SCOPE, DocId(made.template_id))
    assert (document.title, document.section) == ("Zebra stripes", "saas")
    assert "success score: 0.8" in document.content


async def test_it_is_the_same_after_a_restart(reopen: Open) -> None:
    """Unicode, nested data and numbers included."""
    data = {"name": "Kafé ☕", "deep": {"list": [1, 2.5, None, True, {"k": "ü"}]}}
    draft = a_template(template_data=data, success_metrics={"success_score": 1, "x": -3.25}, user_id="ann")
    business = await reopen()
    made = await business.memory.put_template(ACME, "t", draft)
    await business.close()
    business = await reopen()
    assert await business.memory.get_template(ACME, "t") == made
    assert made.draft == draft
    assert await business.found("Kafé") == ["t"]


async def test_another_text_is_a_new_version_of_both(business: Business) -> None:
    first = await put(business, "t", 0.5)
    business.clock.pass_s(10)
    second = await put(business, "t", 0.6)
    assert (second.version, second.created_at_s) == (2, first.created_at_s)
    assert second.updated_at_s == first.updated_at_s + 10
    assert "success score: 0.6" in (await business.knowledge.get(SCOPE, DocId("t"))).content


async def test_an_equal_template_changes_nothing(business: Business) -> None:
    first = await put(business, "t")
    business.clock.pass_s(10)
    assert await put(business, "t") == first
    assert (await business.knowledge.get(SCOPE, DocId("t"))).version == 1


async def test_the_same_idempotency_key_stores_one(business: Business) -> None:
    first = await business.memory.add_template(ACME, a_template(), "k")
    assert await business.memory.add_template(ACME, a_template(), "k") == first
    assert await recalled(business) == ["template-k"]


async def test_type_score_and_user_filter_before_the_best_are_taken(business: Business) -> None:
    """Each other template would be first if the filter came too late."""
    await put(business, "retail", 1.0, business_type=BusinessType("retail"))
    await put(business, "bobs", 0.99, user_id="bob")
    await put(business, "anns", 0.8, user_id="ann")
    await put(business, "low", 0.69)
    await put(business, "exact", 0.7)
    await put(business, "good", 0.75)
    await business.memory.put_template(OTHER, "theirs", a_template(score=1.0))
    assert await recalled(business, min_success_score=0.7, user_id="ann", top_k=2) == ["anns", "good"]
    assert await recalled(business, min_success_score=0.7, user_id="ann") == ["anns", "good", "exact"]
    assert await recalled(business, min_success_score=0.7, top_k=1) == ["bobs"]
    assert await recalled(business, business_type=None, top_k=2) == ["retail", "bobs"]
    assert await recalled(business, business_type=BusinessType("none")) == []


async def test_of_templates_with_equal_scores_the_last_changed_comes_first(business: Business) -> None:
    for name in ("b", "a", "c"):
        await put(business, name)
        business.clock.pass_s(1)
    await put(business, "b", 0.8)
    await put(business, "b", 0.9)
    assert await recalled(business) == ["b", "c", "a"]


async def test_types_are_summed_up(business: Business) -> None:
    await put(business, "a", 0.5)
    await put(business, "b", 1.0)
    await put(business, "c", 0.25, business_type=BusinessType("content"))
    await business.memory.put_template(OTHER, "theirs", a_template(score=0.0))
    assert await business.memory.type_summaries(ACME) == (
        TypeSummary(BusinessType("content"), 1, 0.25),
        TypeSummary(SAAS, 2, 0.75),
    )
    assert await business.memory.type_summaries(TenantId("nobody")) == ()


async def test_tenants_have_templates_of_their_own_under_the_same_id(business: Business) -> None:
    mine = await put(business, "t")
    theirs = await business.memory.put_template(OTHER, "t", a_template("Theirs", 0.1))
    assert await business.memory.get_template(ACME, "t") == mine
    await business.memory.delete_template(ACME, "t")
    assert await business.memory.get_template(OTHER, "t") == theirs
    assert await business.found("theirs", "other") == ["t"]


@pytest.mark.parametrize("template_id", ["template-0", "", "\0", "\ud800", "x" * 1000])
async def test_an_invalid_id_is_not_found(business: Business, template_id: str) -> None:
    for call in (business.memory.get_template, business.memory.delete_template):
        with pytest.raises(NotFound):
            await call(ACME, template_id)


async def test_a_deleted_template_is_gone_from_both(business: Business) -> None:
    await put(business, "t")
    await business.memory.delete_template(ACME, "t")
    assert await recalled(business) == []
    assert await business.found("Name") == []
    for call in (business.memory.get_template, business.memory.delete_template):
        with pytest.raises(NotFound):
            await call(ACME, "t")
    assert (await put(business, "t")).version == 1


async def test_a_template_whose_document_was_deleted_can_be_deleted_and_put_again(business: Business) -> None:
    await put(business, "t")
    await business.knowledge.delete(SCOPE, DocId("t"))
    await put(business, "t")
    assert await business.found("Name") == ["t"]
    await business.knowledge.delete(SCOPE, DocId("t"))
    await business.memory.delete_template(ACME, "t")
    assert await recalled(business) == []


async def test_a_call_that_failed_half_way_is_completed_by_repeating_it(business: Business) -> None:
    business.library.down = True
    with pytest.raises(OSError, match="down"):
        await put(business, "t")
    assert await business.found("Name") == []
    business.library.down = False
    await put(business, "t")
    assert await business.found("Name") == ["t"]
    business.library.down = True
    with pytest.raises(OSError, match="down"):
        await business.memory.delete_template(ACME, "t")
    business.library.down = False
    await business.memory.delete_template(ACME, "t")
    assert await business.found("Name") == []


async def test_a_failed_call_that_is_not_repeated_is_completed_at_the_next_start(reopen: Open) -> None:
    """For a new template and a changed one; no other document is written again."""
    business = await reopen()
    await put(business, "whole")
    await put(business, "changed", 0.5)
    business.library.down = True
    for name in ("new", "changed"):
        with pytest.raises(OSError, match="down"):
            await put(business, name, 0.75)
    await business.close()
    business = await reopen()
    assert len(await business.templates.unpublished()) == 2
    await business.memory.prepare(None)
    assert "new" in await business.found("Name new")
    assert "success score: 0.75" in (await business.knowledge.get(SCOPE, DocId("changed"))).content
    assert await business.templates.unpublished() == ()


async def test_after_concurrent_changes_record_and_document_agree(business: Business) -> None:
    """Whichever change is the last."""
    for _ in range(5):
        await asyncio.gather(*(put(business, "t", n / 10) for n in range(6)))
        template = await business.memory.get_template(ACME, "t")
        document = await business.knowledge.get(SCOPE, DocId("t"))
        assert f"success score: {template.draft.success_score:g}\n" in document.content + "\n"
    assert await business.templates.unpublished() == ()


async def test_a_change_that_is_overtaken_by_another_writes_that_ones_document(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the first change was lost with its connection, so the other change did not wait."""
    write = business.library.put

    async def slow(*arguments: Any) -> Any:
        monkeypatch.undo()
        await business.templates.put(ACME, "t", a_template("Name t", 0.75), business.clock())
        return await write(*arguments)

    monkeypatch.setattr(business.library, "put", slow)
    await put(business, "t", 0.5)
    assert "success score: 0.75" in (await business.knowledge.get(SCOPE, DocId("t"))).content
    assert await business.templates.unpublished() == ()


async def test_a_change_that_is_overtaken_by_a_deletion_leaves_no_document(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = business.library.put

    async def slow(*arguments: Any) -> Any:
        await business.templates.delete(ACME, "t")
        return await write(*arguments)

    monkeypatch.setattr(business.library, "put", slow)
    await put(business, "t")
    assert await business.found("Name") == []

"""Ideas are stored, and new ideas are compared with all stored ones."""

from __future__ import annotations

import asyncio

import pytest

from deployments.core.errors import NotFound
from deployments.core.ids import TenantId
from deployments.core.records.ideas import (
    BusinessIdea,
    Evidence,
    EvidenceQuery,
    IdeaDraft,
    IdeaText,
    StoredIdea,
)
from deployments.core.records.templates import BusinessType
from deployments.records.template_document import idea_text, template_text
from tests.contract.business.conftest import Business, Open
from tests.fake_business import ACME, SAAS, a_template, an_idea

OTHER = TenantId("other")


def draft(text: IdeaText, user_id: str | None = None) -> IdeaDraft:
    idea = BusinessIdea(
        text, SAAS, {"success_score": 0.8}, 72.5, 90.0, 40.1, 68.8, "2026-11-01T10:00:00.000+00:00"
    )
    return IdeaDraft(user_id, idea, {"revenue_score": "why ☕"})


async def add(business: Business, number: int, tenant: TenantId = ACME) -> StoredIdea:
    await asyncio.sleep(0.002)  # ids that were made in the same millisecond have no order
    return await business.memory.put_idea(tenant, draft(an_idea(number)), None)


async def compare(business: Business, text: IdeaText, *others: IdeaText, use_memory: bool = True) -> Evidence:
    return await business.memory.evidence(EvidenceQuery(ACME, text, others, use_memory))


async def test_an_idea_is_the_same_after_a_restart(reopen: Open) -> None:
    business = await reopen()
    stored = await business.memory.put_idea(ACME, draft(an_idea(1, name="Kafé ☕"), "ann"), None)
    assert stored.draft == draft(an_idea(1, name="Kafé ☕"), "ann")
    await business.close()
    assert await (await reopen()).memory.get_idea(ACME, stored.idea_id) == stored


async def test_the_same_idempotency_key_stores_one_and_gives_the_first(business: Business) -> None:
    first = await business.memory.put_idea(ACME, draft(an_idea(1)), "k")
    assert await business.memory.put_idea(ACME, draft(an_idea(2)), "k") == first
    assert await business.memory.put_idea(OTHER, draft(an_idea(2)), "k") != first
    assert first.idea_id == "idea-k"


async def test_ideas_come_latest_first_in_pages_and_by_tenant(business: Business) -> None:
    made = [(await add(business, number)).idea_id for number in range(4)]
    await add(business, 9, OTHER)

    async def page(limit: int, after: str | None) -> list[str]:
        return [stored.idea_id for stored in await business.memory.list_ideas(ACME, limit, after)]

    assert await page(3, None) == [made[3], made[2], made[1]]
    assert await page(3, made[1]) == [made[0]]
    assert await page(3, made[0]) == []
    with pytest.raises(NotFound):
        await business.memory.get_idea(OTHER, made[0])


@pytest.mark.parametrize("idea_id", ["idea-0", "", "\0", "\ud800", "x" * 1000])
async def test_an_invalid_id_is_not_found(business: Business, idea_id: str) -> None:
    with pytest.raises(NotFound):
        await business.memory.get_idea(ACME, idea_id)


async def test_evidence_of_an_empty_memory_is_empty(business: Business) -> None:
    assert await compare(business, an_idea(1)) == Evidence()


async def test_templates_and_the_nearest_idea_come_with_their_similarities(business: Business) -> None:
    same = an_idea(1, name="Same")
    near = an_idea(1, name="Near", target_audience="Somebody else")
    await business.memory.put_template(
        ACME, "t", a_template("Template", 0.6, success_metrics={"success_score": 0.6, "x": 2})
    )
    await business.memory.put_template(OTHER, "theirs", a_template())
    await business.memory.put_idea(OTHER, draft(same), None)
    for text in (an_idea(2), near, an_idea(3)):
        await business.memory.put_idea(ACME, draft(text), None)
    evidence = await compare(business, same)
    (fact,) = evidence.templates
    assert (fact.template_id, fact.name, fact.business_type) == ("t", "Template", "saas")
    assert (fact.success_metrics, fact.updated_at_s) == ({"success_score": 0.6, "x": 2}, business.clock())
    assert evidence.known_ideas == 3
    assert evidence.nearest_idea is not None
    assert evidence.nearest_idea.name == "Near"
    assert 0.7 < evidence.nearest_idea.similarity < 0.99
    assert -1e-6 < fact.similarity < evidence.nearest_idea.similarity
    await business.memory.put_idea(ACME, draft(same), None)
    assert (await compare(business, same)).nearest_idea.similarity == pytest.approx(1)  # type: ignore[union-attr]


async def test_others_are_compared_with_and_without_memory(business: Business) -> None:
    await business.memory.put_template(ACME, "t", a_template())
    await add(business, 1)
    for use_memory in (True, False):
        evidence = await compare(business, an_idea(1), an_idea(2), an_idea(1), use_memory=use_memory)
        different, same = evidence.others
        assert same == pytest.approx(1)
        assert different < 0.3
        assert bool(evidence.templates) == use_memory
        assert evidence.known_ideas == use_memory


async def test_vectors_are_made_once_even_across_restarts(reopen: Open) -> None:
    business = await reopen()
    await business.memory.put_template(ACME, "t", a_template())
    await add(business, 1)
    first = await compare(business, an_idea(5))
    await business.close()
    business = await reopen()
    business.embedder.embedded.clear()
    assert await compare(business, an_idea(5)) == first
    assert len(business.embedder.embedded) == 1
    await compare(business, an_idea(5))
    assert len(business.embedder.embedded) == 1


async def test_a_changed_template_is_compared_by_its_new_text(business: Business) -> None:
    text = an_idea(1, name="Zebra")
    await business.memory.put_template(ACME, "t", a_template("Old"))
    (before,) = (await compare(business, text)).templates
    data = {"name": text.name, "summary": text.description, "mvp_features": list(text.mvp_features)}
    await business.memory.put_template(ACME, "t", a_template(template_data=data))
    (after,) = (await compare(business, text)).templates
    assert after.similarity > before.similarity + 0.3


async def test_another_embedding_model_compares_its_own_vectors(reopen: Open) -> None:
    """Vectors of two models are never compared with each other."""
    business = await reopen()
    await business.memory.put_template(ACME, "t", a_template())
    await add(business, 1)
    await compare(business, an_idea(1))
    await business.close()
    business = await reopen("another model")
    evidence = await compare(business, an_idea(1))
    again = await compare(business, an_idea(1))  # with the vectors that were stored just now
    assert evidence.nearest_idea is not None
    assert evidence.nearest_idea.similarity == pytest.approx(1)
    own, kept = await business.embedder.embed_documents([idea_text(an_idea(1)), template_text(a_template())])
    assert evidence.templates[0].similarity == pytest.approx(float(own @ kept), abs=1e-6)
    assert again == evidence


async def test_a_template_that_changes_while_it_is_compared_keeps_no_old_vector(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    await business.memory.put_template(ACME, "t", a_template("Old"))
    keep = business.templates.keep_vectors

    async def late(*arguments: object) -> None:
        monkeypatch.undo()
        await business.memory.put_template(ACME, "t", a_template("New", business_type=BusinessType("retail")))
        await keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(business.templates, "keep_vectors", late)
    await compare(business, an_idea(1))
    (row,) = await business.templates.compared(ACME, business.embedder.fingerprint)
    assert (row.name, row.compared.vector) == ("New", None)

"""The business agent answers from the templates of a type."""

from __future__ import annotations

import pytest

from deployments.agents.business import recall_query
from deployments.agents.specs import BUSINESS
from deployments.core.errors import KnowledgeUnavailable
from deployments.core.ids import RequestId, TenantId
from deployments.core.messages import Ask
from deployments.core.records.templates import BusinessType
from tests.fake_business import ACME, SAAS, BusinessRig, a_template
from tests.fakes import a_passage


def ask(kind: str = SAAS, top_k: int = 5, tenant: TenantId = ACME) -> Ask:
    kind = BusinessType(kind)
    return Ask(tenant, recall_query(kind), RequestId("req"), top_k=top_k, section=kind)


async def stored(rig: BusinessRig, *scores: float) -> None:
    for score in scores:
        await rig.memory.add_template(ACME, a_template(f"Of {score:g}", score), None)


async def test_a_stored_template_is_in_the_very_next_answer():
    """In its prompt, among its citations, with its success score."""
    rig = BusinessRig("It worked.", passages=[a_passage(1)])
    await stored(rig, 0.9)
    answer = await rig.service.answer(ask())
    assert answer.text == "It worked."
    (citation,) = answer.citations
    assert (citation.title, citation.score, citation.section) == ("Of 0.9", 0.9, "saas")
    assert "success score: 0.9" in rig.prompt()
    assert recall_query(SAAS) in rig.prompt()


async def test_recall_answers_from_the_most_successful_templates_of_the_type():
    """Also templates with a low score: failures teach too."""
    rig = BusinessRig("So it is.", passages=[a_passage(1)])
    await stored(rig, 0.1, 0.9, 0.5)
    await rig.memory.put_template(ACME, "shop", a_template("Shop", 1.0, business_type=BusinessType("retail")))
    answer = await rig.service.answer(ask(top_k=2))
    assert [citation.title for citation in answer.citations] == ["Of 0.9", "Of 0.5"]
    assert rig.rig.retriever.queries == []


async def test_documents_without_templates_are_searched_for_within_the_type():
    """The knowledge base is asked, with the type as its section."""
    rig = BusinessRig("Found.", passages=[a_passage(1)])
    answer = await rig.service.answer(ask())
    assert [citation.doc_id for citation in answer.citations] == ["doc-1"]
    (query,) = rig.rig.retriever.queries
    assert (query.section, query.scope.collection) == ("saas", BUSINESS.collection)


async def test_other_tenants_templates_are_not_recalled():
    rig = BusinessRig("Nothing.")
    await stored(rig, 0.9)
    answer = await rig.service.answer(ask(tenant=TenantId("other")))
    assert (answer.reuse.answer, answer.text, answer.citations) == ("no_context", BUSINESS.no_context, ())


async def test_a_question_without_a_type_is_searched_for():
    """As a chat with the agent asks it."""
    rig = BusinessRig("Found.", passages=[a_passage(1)])
    await stored(rig, 0.9)
    answer = await rig.service.answer(Ask(ACME, "What about clinics?", RequestId("req")))
    assert [citation.doc_id for citation in answer.citations] == ["doc-1"]


async def test_a_memory_that_is_unavailable_is_an_error():
    rig = BusinessRig()
    rig.memory.fault = KnowledgeUnavailable("gone")
    with pytest.raises(KnowledgeUnavailable):
        await rig.service.answer(ask())


def test_the_spec_is_the_documented_one():
    """TTL, context, temperature and length are what the documentation promises."""
    assert (BUSINESS.ttl_s, BUSINESS.max_context_tokens, BUSINESS.temperature, BUSINESS.max_tokens) == (
        3600,
        4096,
        0.5,
        1000,
    )

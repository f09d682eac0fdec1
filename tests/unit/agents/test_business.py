"""The business agent recalls templates of a type, and stores them unless its memory is off."""

from __future__ import annotations

import pytest

from deployments.agents.business import recall_query
from deployments.agents.deployment import BusinessGeneration
from deployments.agents.specs import BUSINESS
from deployments.core.business import BusinessType, TemplateQuery
from deployments.core.errors import InvalidRequest, KnowledgeUnavailable, NotFound
from deployments.core.ids import RequestId, TenantId
from deployments.core.messages import Ask
from tests.fake_business import ACME, SAAS, BusinessRig, a_template
from tests.fakes import a_passage


def ask(kind: str = SAAS, top_k: int = 5, tenant: TenantId = ACME) -> Ask:
    kind = BusinessType(kind)
    return Ask(tenant, recall_query(kind), RequestId("req"), top_k=top_k, section=kind)


async def stored(rig: BusinessRig, *scores: float) -> None:
    for score in scores:
        await rig.service.store_business_template(ACME, a_template(f"Of {score:g}", score))


async def test_a_stored_template_is_in_the_very_next_answer():
    """In its prompt, among its citations, with its success score."""
    rig = BusinessRig("It worked.", passages=[a_passage(1)])
    await stored(rig, 0.9)
    answer = await rig.service.recall_business_templates_cached(ask())
    assert answer.text == "It worked."
    (citation,) = answer.citations
    assert (citation.title, citation.score, citation.section) == ("Of 0.9", 0.9, "saas")
    assert "success score: 0.9" in rig.prompt()
    assert recall_query(SAAS) in rig.prompt()


async def test_recall_answers_from_the_most_successful_templates_of_the_type():
    """Whatever their score is: what failed teaches, too."""
    rig = BusinessRig("So it is.", passages=[a_passage(1)])
    await stored(rig, 0.1, 0.9, 0.5)
    await rig.memory.put_template(ACME, "shop", a_template("Shop", 1.0, business_type=BusinessType("retail")))
    answer = await rig.service.recall_business_templates_cached(ask(top_k=2))
    assert [citation.title for citation in answer.citations] == ["Of 0.9", "Of 0.5"]
    assert rig.rig.retriever.queries == []


async def test_documents_without_templates_are_searched_for_within_the_type():
    """The knowledge base is asked, with the type as its section."""
    rig = BusinessRig("Found.", passages=[a_passage(1)])
    answer = await rig.service.recall_business_templates_cached(ask())
    assert [citation.doc_id for citation in answer.citations] == ["doc-1"]
    (query,) = rig.rig.retriever.queries
    assert (query.section, query.scope.collection) == ("saas", BUSINESS.collection)


async def test_other_tenants_templates_are_not_recalled():
    rig = BusinessRig("Nothing.")
    await stored(rig, 0.9)
    answer = await rig.service.recall_business_templates_cached(ask(tenant=TenantId("other")))
    assert (answer.reuse.answer, answer.text, answer.citations) == ("no_context", BUSINESS.no_context, ())


async def test_a_question_without_a_type_is_searched_for():
    """As a chat with the agent asks it."""
    rig = BusinessRig("Found.", passages=[a_passage(1)])
    await stored(rig, 0.9)
    answer = await rig.service.answer(Ask(ACME, "What about clinics?", RequestId("req")))
    assert [citation.doc_id for citation in answer.citations] == ["doc-1"]


async def test_recall_without_a_model_is_by_score_and_type():
    rig = BusinessRig()
    await stored(rig, 0.69, 0.7, 0.9)
    found = await rig.service.recall_business_templates(TemplateQuery(ACME, SAAS))
    assert [template.draft.success_score for template in found] == [0.9, 0.7]


async def test_without_memory_nothing_is_recalled_or_stored():
    rig = BusinessRig()
    await stored(rig, 0.9)
    rig.memory.calls.clear()
    query = TemplateQuery(ACME, SAAS)
    assert await rig.service.recall_business_templates(query, use_memory=False) == ()
    with pytest.raises(InvalidRequest) as refused:
        await rig.service.store_business_template(ACME, a_template("New"), use_memory=False)
    assert refused.value.param == "enable_memory"
    assert rig.memory.calls == []


async def test_a_template_is_replaced_read_and_deleted_by_its_id():
    rig = BusinessRig()
    first = await rig.service.put_business_template(ACME, "mine", a_template("One"))
    second = await rig.service.put_business_template(ACME, "mine", a_template("Two"))
    assert (first.version, second.version) == (1, 2)
    assert await rig.service.get_business_template(ACME, "mine") == second
    await rig.service.delete_business_template(ACME, "mine")
    with pytest.raises(NotFound):
        await rig.service.get_business_template(ACME, "mine")
    with pytest.raises(InvalidRequest):
        await rig.service.put_business_template(ACME, "a/b", a_template())


@pytest.mark.parametrize(
    ("limit", "after", "param"),
    [(0, None, "limit"), (502, None, "limit"), (5, "\0", "after"), (5, "\ud800", "after")],
)
async def test_lists_of_ideas_are_bounded(limit, after, param):
    with pytest.raises(InvalidRequest) as refused:
        await BusinessRig().service.list_ideas(ACME, limit, after)
    assert refused.value.param == param


async def test_a_memory_that_is_gone_is_told():
    rig = BusinessRig()
    rig.memory.fault = KnowledgeUnavailable("gone")
    with pytest.raises(KnowledgeUnavailable):
        await rig.service.recall_business_templates_cached(ask())


async def test_the_replica_passes_on_what_the_agent_does():
    """Every method of the shell, once."""
    rig = BusinessRig()

    async def build():
        return rig.service

    replica = BusinessGeneration.__new__(BusinessGeneration)
    await BusinessGeneration.__init__(replica, build)  # as Serve does
    made = await replica.store_business_template(ACME, a_template(), "k", True)
    assert await replica.get_business_template(ACME, made.template_id) == made
    assert await replica.recall_business_templates(TemplateQuery(ACME, SAAS), True) == (made,)
    assert (await replica.put_business_template(ACME, "b", a_template("B"))).template_id == "b"
    await replica.delete_business_template(ACME, "b")
    assert await replica.list_ideas(ACME, 10, None) == ()


def test_the_spec_is_the_documented_one():
    """TTL, context, temperature and length are what the documentation promises."""
    assert (BUSINESS.ttl_s, BUSINESS.max_context_tokens, BUSINESS.temperature, BUSINESS.max_tokens) == (
        3600,
        4096,
        0.5,
        1000,
    )

"""The agents as Python objects: the seed's names, over the application's own routes."""

from dataclasses import fields
from datetime import date
from typing import is_typeddict

import httpx
import pytest

from deployments.core.errors import Conflict, InvalidRequest, NotFound, Unavailable
from serve_app import client
from serve_app.client import (
    BusinessGenerationAgent,
    DocumentationAgent,
    SupportAgent,
    agent,
    documentation,
    get_documentation_agent,
    results,
    support_results,
)
from serve_app.client.connection import Connection
from serve_app.http.answers import CacheStatsBody
from tests.unit.agents.image_files import png

QUESTION = "How do I reset it?"


PUBLIC = {
    "agents": ["BusinessGenerationAgent", "DocumentationAgent", "SupportAgent", "TokenCachedRAG"],
    "functions": ["get_documentation_agent"],
    "answers": [
        "Answer",
        "CacheStats",
        "Citation",
        "Conversation",
        "ConversationUse",
        "DocumentationAnswer",
        "GeneratedAnswer",
        "MissedPassage",
        "PromptPassage",
        "PromptMetadata",
        "Reuse",
        "SupportAnswer",
        "TemplatesAnswer",
    ],
    "filter": ["Filter"],
    "business": ["Idea", "IdeaBatch", "Template", "Templates"],
    "documentation": [
        "DocumentHit",
        "DocumentOutcome",
        "DocumentSearch",
        "StoredDocument",
        "WrittenDocument",
    ],
    "support": [
        "Durations",
        "Escalation",
        "KnowledgeSearch",
        "MemoryContext",
        "Passage",
        "Period",
        "Satisfaction",
        "SimilarSolution",
        "SupportReport",
        "TextLine",
        "Ticket",
        "TicketImage",
        "TicketResponse",
        "Topic",
    ],
}


@pytest.fixture
def over_api(api, monkeypatch):
    """Agents reach the API over fakes."""

    def connect(tenant, url, api_key):
        headers = {"x-business-id": tenant} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        return Connection(url or "http://localhost", headers, transport=httpx.ASGITransport(api.app))

    monkeypatch.setattr(agent, "connect", connect)
    documentation._only_one.cache_clear()
    yield api
    documentation._only_one.cache_clear()


@pytest.fixture
def support(over_api):
    """The support agent of a tenant."""
    return SupportAgent("acme")


@pytest.fixture
def docs(over_api):
    """The documentation agent of a tenant."""
    return DocumentationAgent("acme")


def test_these_names_are_public():
    """All names can be imported, and every typed dict that a method returns is among them."""
    assert sorted(client.__all__) == sorted(name for names in PUBLIC.values() for name in names)
    defined = {
        name
        for module in (results, support_results)
        for name, thing in vars(module).items()
        if is_typeddict(thing)
    }
    assert defined <= set(client.__all__) <= set(vars(client))


async def test_an_answer_has_what_the_seeds_example_prints(support, over_api):
    """From the tenant's own articles."""
    result = await support.answer_support_query_cached(query=QUESTION, top_k=2, max_tokens=7)
    assert (result["response"], result["cache_hit"]) == ("Press Reset.", True)
    assert result["latency_ms"] > 0
    assert result["cache_stats"]["hit_rate"] == 100.0
    assert over_api.rig.retriever.queries[0].scope.tenant == "acme"
    assert over_api.rig.generator.requests[0].sampling.max_tokens == 7


async def test_a_ticket_from_opening_to_escalation(support):
    """With its report; a change that is not possible raises a WarmlineError."""
    ticket = await support.create_ticket("ann", "The export fails", "high")
    made = await support.respond_to_ticket(ticket["ticket_id"], "Try again.", "workaround")
    assert (made["resolution_type"], made["memory_context"]) == (
        "workaround",
        {"earlier_tickets": [], "similar_solutions": []},
    )
    moved = await support.escalate_ticket(ticket["ticket_id"], "Needs the database", "backend")
    assert (moved["original_priority"], moved["new_priority"]) == ("high", "urgent")
    await support.respond_to_ticket(ticket["ticket_id"], "Repaired.", "resolved")
    with pytest.raises(Conflict):
        await support.escalate_ticket(ticket["ticket_id"], "Again", "backend", new_priority="urgent")
    with pytest.raises(NotFound):
        await support.respond_to_ticket("a/../b", "Hello?")
    report = await support.generate_support_report(date(1970, 1, 1), "1970-01-02")
    assert (report["tickets"], report["escalated"]) == (1, 1)


async def test_without_memory_nothing_is_remembered(over_api):
    """Each call uses the agent's own switch unless it sets another one."""
    support = SupportAgent("acme", enable_memory=False)
    ticket = await support.create_ticket("ann", "The export fails")
    made = await support.respond_to_ticket(ticket["ticket_id"], "Try again.")
    assert made["memory_context"] is None
    (history,) = over_api.desk.histories.values()
    assert history.ticket.priority == "medium"


async def test_the_knowledge_base_is_searched(support, over_api):
    """In one category or all."""
    found = await support.search_knowledge_base("export", "accounts")
    await support.search_knowledge_base("export")
    assert found["total_results"] == 3
    assert [query.section for query in over_api.rig.retriever.queries] == ["accounts", None]


async def test_a_picture_is_sent_as_its_bytes(support):
    """With the issues that are expected in it."""
    read = await support.process_ticket_image(png(400, 200), ["export failed", "refund"])
    assert (read["valid"], read["detected_issues"], read["missing_issues"]) == (
        True,
        ["export failed"],
        ["refund"],
    )
    assert (await support.process_ticket_image(png(400, 200)))["detected_issues"] is None


@pytest.mark.parametrize("image", ["/etc/passwd", "https://there/a.png", None])
async def test_a_path_is_never_opened(support, image):
    """Not even on the caller's side."""
    with pytest.raises(TypeError, match="bytes"):
        await support.process_ticket_image(image)


async def test_a_template_is_stored_recalled_and_learned_from(over_api):
    """By the tenant that stored it; the model reads it for a recall and for an idea."""
    business = BusinessGenerationAgent("acme")
    data = {"name": "Rota", "summary": "Plans shifts for small clinics."}
    await business.store_business_template("SaaS", data, {"success_score": 0.9}, user_id="ann")
    found = await business.recall_business_templates("saas", min_success_score=0.8)
    assert [template["template_data"] for template in found["templates"]] == [data]
    result = await business.recall_business_templates_cached("saas", top_k=5, max_tokens=9)
    assert result["templates"] == result["templates"].strip() != ""
    assert (result["citations"][0]["title"], result["cache_hit"]) == ("Rota", True)
    idea = await business.generate_idea_with_memory("saas", min_revenue_score=0)
    assert (idea["business_type"], idea["met_threshold"], len(idea["learned_from"])) == ("saas", True, 1)
    batch = await business.generate_batch_with_memory(2, ["saas"], max_attempts=1, min_revenue_score=0)
    assert len({idea["name"] for idea in batch["ideas"]}) == 2
    other = BusinessGenerationAgent("other")
    assert (await other.recall_business_templates("saas", 0.0))["templates"] == []


async def test_ideas_without_memory_are_not_kept(over_api):
    """And a template can't be stored there."""
    business = BusinessGenerationAgent("acme", enable_memory=False)
    idea = await business.generate_idea_with_memory("saas", max_attempts=1)
    assert (idea["idea_id"], idea["learned_from"]) == (None, [])
    with pytest.raises(InvalidRequest, match="enable_memory"):
        await business.store_business_template("saas", {"name": "Rota"}, {"success_score": 0.9})


async def test_documentation_is_looked_up_in_a_section(docs, over_api):
    """As the seed's example does."""
    result = await docs.lookup_documentation_cached("How to authenticate?", "api", 2, 9)
    assert result["documentation"] == "Press Reset."
    query = over_api.lookup.retriever.queries[0]
    assert (query.section, query.top_k, query.scope.tenant) == ("api", 2, "acme")


async def test_documentation_is_written_updated_and_found(docs, over_api):
    """One document, from its first version to its last."""
    written = await docs.generate_documentation("Greeting", "api", source_code="def greet(): ...")
    assert "def greet(): ..." in over_api.writer.prompt_sent()
    updated = await docs.update_documentation(written["doc_id"], "Call `hello`.", invalidate_cache=False)
    assert (updated["version"], over_api.library.revisions) == (2, [False])
    found = await docs.search_documentation("hello", limit=1)
    assert [hit["doc_id"] for hit in found["results"]] == [written["doc_id"]]
    with pytest.raises(NotFound):
        await docs.update_documentation("doc_123", "Updated content")
    with pytest.raises(InvalidRequest):
        await docs.update_documentation("../support", "Updated content")


async def test_the_documentations_cache_is_counted_and_cleared(docs, over_api):
    """Its own: a pattern names documents."""
    await docs.lookup_documentation_cached(QUESTION)
    stats = await docs.get_cache_stats()
    assert (set(stats), stats["cache_hits"]) == ({field.name for field in fields(CacheStatsBody)}, 3)
    assert await docs.clear_cache() == 12
    assert over_api.cache.cleared == [("acme", "documentation")]
    assert await docs.clear_cache("api-*") == 0


async def test_the_rag_of_an_agent_gives_ids_and_answers(support, over_api):
    """Ids without an answer first; the answer's prompt has the same ones."""
    rag = support.token_cached_rag
    ids, metadata = await rag.retrieve_tokens(QUESTION, top_k=2)
    assert (metadata["segments"], over_api.rig.generator.requests) == (2, [])
    answer = await rag.generate_with_rag(QUESTION, top_k=2, temperature=0)
    assert answer["response"] == "Press Reset."
    (request,) = over_api.rig.generator.requests
    assert memoryview(request.prompt).cast("I").tolist() == ids
    assert (request.sampling.max_tokens, request.sampling.temperature) == (1024, 0)


async def test_the_rag_of_an_agent_counts_resets_and_clears(support, over_api):
    """For its own agent and tenant."""
    rag = support.token_cached_rag
    await rag.generate_with_rag(QUESTION)
    assert (await rag.get_cache_stats())["cache_hits"] == 3
    await rag.reset_stats()
    assert (await rag.get_cache_stats())["cache_hits"] == 0
    assert await rag.clear_cache() == 12
    assert over_api.cache.cleared == [("acme", "support_kb")]


async def test_there_is_one_documentation_agent_for_the_same_arguments(over_api):
    """By position or by name."""
    one = get_documentation_agent("acme", True)
    assert get_documentation_agent(business_id="acme", enable_memory=True) is one
    assert get_documentation_agent("acme") is one
    others = [
        get_documentation_agent("acme", False),
        get_documentation_agent("other"),
        get_documentation_agent("acme", url="http://there"),
        get_documentation_agent("acme", api_key="k"),
    ]
    assert len({id(agent) for agent in (one, *others)}) == 5


async def test_an_agent_is_the_default_tenants_unless_it_is_named(over_api):
    """As in the seed."""
    async with SupportAgent() as support:
        await support.answer_support_query_cached(QUESTION)
    assert support.business_id == over_api.rig.retriever.queries[0].scope.tenant == "default"


def test_a_tenant_that_cannot_be_is_refused_at_once(over_api):
    """Before anything is sent."""
    with pytest.raises(InvalidRequest, match="business_id"):
        SupportAgent("a/b")


async def test_where_nothing_answers_an_agent_says_so(monkeypatch):
    """The message has the URL: most often the application does not run."""

    def refuse(request):
        raise httpx.ConnectError("All connection attempts failed")

    support = SupportAgent(url="http://127.0.0.1:1")
    monkeypatch.setattr(support._connection, "_transport", httpx.MockTransport(refuse))
    with pytest.raises(Unavailable, match=r"no Warmline can be reached at http://127.0.0.1:1"):
        await support.answer_support_query_cached(QUESTION)


async def test_documents_are_ingested_in_several_requests(docs, over_api, tmp_path):
    """From bytes and from files; one that can't be read is an outcome."""
    (tmp_path / "page.md").write_text("# Page")
    files = {f"d{number}.md": b"# Text" for number in range(70)}
    files |= {"page.md": tmp_path / "page.md", "empty.md": b" "}
    outcomes = {one["doc_id"]: one["status"] async for one in docs.ingest(files)}
    assert outcomes.pop("empty.md") == "refused"
    assert set(outcomes.values()) == {"stored"}
    assert set(outcomes) == files.keys() - {"empty.md"}
    assert {scope.collection for scope, _ in over_api.library.documents} == {"documentation"}

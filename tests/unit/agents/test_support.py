"""The support agent asks its own collection, as the caller's tenant."""

from contextlib import aclosing

import pytest

from deployments.agents.specs import SUPPORT
from deployments.agents.support import SupportService
from deployments.core.errors import InvalidRequest
from deployments.core.ids import RequestId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from tests.fake_records import image_reader
from tests.fakes import a_passage
from tests.unit.rag.rig import Rig

ACME = TenantId("acme")
ASK = Ask(ACME, "How?", RequestId("req-1"))


@pytest.fixture
def rig():
    return Rig([a_passage(n) for n in range(3)])


@pytest.fixture
def support(rig):
    return SupportService(SUPPORT, rig.rag, image_reader())


async def test_it_searches_its_collection_as_the_tenant(rig, support):
    """Scope and text come from the question, the collection from the agent."""
    answer = await support.answer(ASK)
    assert answer.text == "Press Reset."
    assert rig.retriever.queries[0].scope == Scope(ACME, SUPPORT.collection)


async def test_its_stream_ends_in_the_answer(support):
    """Deltas, then the complete answer."""
    events = [event async for event in support.stream(ASK)]
    assert isinstance(events[-1], Answer)
    assert not any(isinstance(event, Answer) for event in events[:-1])


async def test_closing_its_stream_closes_the_generation(rig, support):
    """The shell passes the end of interest on."""
    async with aclosing(support.stream(ASK)) as events:
        await anext(events)
    assert rig.generator.closed == 1


async def test_a_bad_question_is_refused_before_anything_is_asked(rig, support):
    """Both ways of asking check first."""
    blank = Ask(ACME, "  ", RequestId("req-1"))
    with pytest.raises(InvalidRequest):
        await support.answer(blank)
    with pytest.raises(InvalidRequest):
        await anext(support.stream(blank))
    assert rig.retriever.queries == []


async def test_figures_and_clearing_are_the_tenants(rig, support):
    """Stats and the local clear go to the tenant's part of the agent's collection."""
    await support.answer(ASK)
    assert (await support.cache_stats(ACME)).cache_hits == 3
    assert (await support.cache_stats(TenantId("other"))).cache_hits == 0
    await support.clear_local(ACME)
    assert rig.resolver.cleared == [(ACME, SUPPORT.collection)]


def test_the_spec_is_the_documented_one():
    """TTL, context, temperature and length are what the documentation promises."""
    assert (SUPPORT.ttl_s, SUPPORT.max_context_tokens, SUPPORT.temperature, SUPPORT.max_tokens) == (
        3600,
        4096,
        0.7,
        500,
    )

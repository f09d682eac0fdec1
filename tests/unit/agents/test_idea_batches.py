"""Batches of ideas: at the same time, sorted, and each different from the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deployments.agents.idea_generation import CONCURRENT_IDEAS
from deployments.core.errors import EngineUnavailable, InvalidRequest, Overloaded
from deployments.core.records.ideas import IdeaResult
from deployments.core.records.templates import BusinessType
from tests.fake_business import ACME, SAAS, BusinessRig, a_template, an_idea, wanted, with_templates, written

RETAIL = BusinessType("retail")


async def batch(rig: BusinessRig, count: int, *types: BusinessType, **changes: Any) -> tuple[IdeaResult, ...]:
    made = await rig.service.generate_batch_with_memory(wanted(**changes), count, types)
    assert made.missing == ()
    return made.ideas


async def test_a_batch_is_sorted_complete_and_all_different():
    rig = await with_templates(BusinessRig(), 0.9, 0.3)
    ideas = await batch(rig, 5, business_type=None)
    assert len(ideas) == 5
    assert len({result.idea.text.name for result in ideas}) == 5
    scores = [result.idea.overall_score for result in ideas]
    assert scores == sorted(scores, reverse=True)
    assert {result.idea_id for result in ideas} == {stored.idea_id for stored in rig.memory.ideas.values()}
    assert len({request.request_id for request in rig.engine.requests}) == len(rig.engine.requests)


async def test_a_batch_takes_the_given_types_in_turn():
    ideas = await batch(BusinessRig(), 3, SAAS, RETAIL, business_type=None)
    assert sorted(result.idea.business_type for result in ideas) == ["retail", "saas", "saas"]


async def test_a_batch_without_types_takes_those_with_the_best_record():
    rig = await with_templates(BusinessRig(), 0.9)
    for number, kind in enumerate(("good", "bad", "worse")):
        draft = a_template(f"Of {kind}", 0.8 - 0.3 * number, business_type=BusinessType(kind))
        await rig.memory.put_template(ACME, kind, draft)
    ideas = await batch(rig, 2, business_type=None)
    assert {result.idea.business_type for result in ideas} == {"saas", "good"}


@pytest.mark.parametrize("use_memory", [True, False])
async def test_a_model_that_repeats_itself_is_asked_again(use_memory):
    """Same name, or other name and the same text; with memory and without."""
    same = written(an_idea(1))
    renamed = written(an_idea(1, name="Idea1 renamed1"))
    rig = BusinessRig(same, same, renamed)
    ideas = await batch(rig, 3, use_memory=use_memory)
    assert len({result.idea.text.description for result in ideas}) == 3
    assert sum(result.failures.get("repeat", 0) for result in ideas) == 2


async def test_what_could_not_be_made_different_is_reported():
    rig = BusinessRig(*[written(an_idea(1))] * 20)
    made = await rig.service.generate_batch_with_memory(wanted(max_attempts=3), 2, ())
    assert len(made.ideas) == 1
    assert made.missing == ("saas: the model wrote no usable idea in 3 attempts: 3 repeat",)


async def test_ideas_below_the_threshold_are_compared_again_when_they_are_taken():
    """Two that were usable when they were written, side by side, and are the same."""
    rig = await with_templates(BusinessRig(*[written(an_idea(1))] * 4), 0.9)
    made = await rig.service.generate_batch_with_memory(
        wanted(min_revenue_score=100.0, max_attempts=2, use_memory=True), 2, ()
    )
    assert len(made.ideas) == 1
    assert len(made.missing) == 1
    assert "repeat" in made.missing[0]


async def test_one_that_fails_leaves_the_others():
    rig = BusinessRig(Overloaded("busy"))
    made = await rig.service.generate_batch_with_memory(wanted(), 3, ())
    assert (len(made.ideas), made.missing) == (2, ("saas: busy",))


async def test_a_batch_of_failures_is_an_error():
    rig = BusinessRig(*[EngineUnavailable("gone")] * 6)
    with pytest.raises(EngineUnavailable):
        await rig.service.generate_batch_with_memory(wanted(), 3, ())


async def test_a_batch_works_on_several_ideas_at_a_time_and_not_on_all(monkeypatch):
    rig = BusinessRig()
    generate, running, most = rig.engine.generate, 0, 0

    async def counted(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        async for delta in generate(request):
            yield delta
        running -= 1

    monkeypatch.setattr(rig.engine, "generate", counted)
    await batch(rig, 10)
    assert most == CONCURRENT_IDEAS


async def test_tokens_of_a_batch_are_its_ideas():
    rig = BusinessRig()
    ideas = await batch(rig, 2, idempotency_key="k")
    assert {result.idea_id for result in ideas} == {"idea-k-1", "idea-k-2"}


@pytest.mark.parametrize("count", [0, 21])
async def test_a_batch_has_bounds(count):
    with pytest.raises(InvalidRequest) as refused:
        await BusinessRig().service.generate_batch_with_memory(wanted(), count, ())
    assert refused.value.param == "count"

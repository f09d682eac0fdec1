"""Ideas: made from successful templates, scored by evidence, tried again until one is good enough."""

from __future__ import annotations

import pytest

from deployments.agents.idea_format import IDEA_SCHEMA
from deployments.agents.idea_prompt import LEARNED_TEMPLATES
from deployments.core.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    InvalidRequest,
    KnowledgeUnavailable,
    Unavailable,
)
from deployments.core.ids import TenantId
from deployments.core.records.templates import BusinessType
from tests.fake_business import ACME, BusinessRig, a_template, an_idea, like, wanted, with_templates, written

RETAIL = BusinessType("retail")


async def test_an_idea_is_complete_scored_explained_and_stored():
    rig = await with_templates(BusinessRig(written(an_idea(1))), 0.9)
    result = await rig.service.generate_idea_with_memory(wanted())
    assert result.idea.text == an_idea(1)
    assert (result.idea.business_type, result.idea.generated_at) == ("saas", "1970-01-01T00:16:40.000+00:00")
    assert (result.met_threshold, result.attempts, result.stopped_by) == (True, 1, "threshold")
    assert (result.failures, result.learned_from, result.min_revenue_score) == ({}, ("t0",), 0.0)
    assert set(result.score_explanation) == {
        f"{name}_score" for name in ("revenue", "market_trend", "differentiation", "overall")
    }
    assert (result.reuse.segments, result.request_id) == (1, "req-1")
    assert result.idea_id is not None
    stored = await rig.memory.get_idea(ACME, result.idea_id)
    assert (stored.draft.idea, stored.draft.score_explanation) == (result.idea, result.score_explanation)


async def test_the_best_templates_of_the_type_are_in_the_prompt():
    """The successful ones, up to the limit, as segments at its beginning; one also as the example."""
    rig = await with_templates(BusinessRig(), 0.5, 0.9, 0.8, 0.7, 0.75)
    await rig.memory.put_template(ACME, "other", a_template("Other kind", 1.0, business_type=RETAIL))
    await rig.memory.put_template(TenantId("else"), "theirs", a_template("Somebody else's", 1.0))
    result = await rig.service.generate_idea_with_memory(wanted())
    assert set(result.learned_from) == {"t1", "t2", "t4"}
    assert len(result.learned_from) == LEARNED_TEMPLATES
    prompt = rig.prompt()
    assert all(name in prompt for name in ("Template1 of 0.9", "Template2 of 0.8", "Template4 of 0.75"))
    assert not any(name in prompt for name in ("Template0", "Template3", "Other kind", "Somebody"))
    assert prompt.index("Template4 of 0.75") < prompt.index("new business of the type saas")
    assert '{"name":"Template1 of 0.9","description":"Business1 sells' in prompt
    (request,) = rig.engine.requests
    assert request.sampling.json_schema == IDEA_SCHEMA


async def test_another_users_templates_are_not_learnt_from():
    rig = await with_templates(BusinessRig(), 0.9)
    await rig.memory.put_template(ACME, "bobs", a_template("Bob's", 1.0, user_id="bob"))
    assert (await rig.service.generate_idea_with_memory(wanted(user_id="ann"))).learned_from == ("t0",)


async def test_without_learning_no_template_is_in_the_prompt_but_evidence_counts():
    rig = await with_templates(BusinessRig(like(0, "New one")), 0.9)
    result = await rig.service.generate_idea_with_memory(wanted(learn_from_past=False))
    assert "Template0" not in rig.prompt()
    assert (result.learned_from, result.reuse.segments, result.reuse.answer) == ((), 0, "generated")
    assert result.idea.revenue_score > 50
    assert result.idea_id is not None


async def test_without_memory_nothing_is_read_and_nothing_written():
    """No template in the prompt, no evidence in the scores, no idea stored."""
    rig = await with_templates(BusinessRig(like(0, "New one")), 0.9)
    rig.memory.calls.clear()
    result = await rig.service.generate_idea_with_memory(wanted(use_memory=False))
    assert rig.memory.calls == ["evidence without memory"]
    assert "Template0" not in rig.prompt()
    assert (result.idea_id, result.idea.revenue_score, result.idea.differentiation_score) == (None, 50, 100)
    assert rig.memory.ideas == {}


async def test_attempts_stop_at_the_threshold():
    """The first idea is like what failed, the second like what worked; a third is not asked for."""
    rig = await with_templates(BusinessRig(like(0, "Poor"), like(1, "Rich")), 0.1, 0.95)
    first = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=0, max_attempts=1))
    low = first.idea.revenue_score
    rig = await with_templates(BusinessRig(like(0, "Poor"), like(1, "Rich")), 0.1, 0.95)
    result = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=low + 0.1))
    assert (result.idea.text.name, result.attempts, result.stopped_by) == ("Rich", 2, "threshold")
    assert result.met_threshold
    assert result.idea.revenue_score > low
    assert len(rig.engine.requests) == 2
    assert [stored.draft.idea.text.name for stored in rig.memory.ideas.values()] == ["Rich"]


async def test_below_the_threshold_the_best_idea_is_returned_and_marked_as_below():
    """All attempts were made; the better of the two usable ideas is the one."""
    answers = (like(0, "Poor"), like(1, "Rich"), "no idea")
    rig = await with_templates(BusinessRig(*answers), 0.1, 0.95)
    result = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=100.0, max_attempts=3))
    assert (result.idea.text.name, result.met_threshold, result.stopped_by) == ("Rich", False, "attempts")
    assert (result.attempts, result.failures) == (3, {"not_json": 1})
    assert result.min_revenue_score == 100


async def test_without_any_template_one_attempt_is_enough():
    """Revenue is 50 for every idea then, so that no other could be better."""
    rig = BusinessRig()
    result = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=70.0))
    assert (result.idea.revenue_score, result.met_threshold, result.attempts) == (50, False, 1)
    assert result.stopped_by == "no_evidence"


async def test_unusable_answers_are_tried_again_and_counted():
    rig = BusinessRig("", "{}", "[1", written(an_idea(5)))
    result = await rig.service.generate_idea_with_memory(wanted())
    assert (result.idea.text, result.attempts) == (an_idea(5), 4)
    assert result.failures == {"not_json": 2, "schema": 1}
    assert len({request.request_id for request in rig.engine.requests}) == 4


async def test_a_model_without_any_usable_answer_is_an_error():
    """All answers are truncated, and no idea is made up."""
    rig = BusinessRig(*[written(an_idea())[:30]] * 2)
    rig.engine.finish_reason = "length"
    with pytest.raises(Unavailable, match="no usable idea in 2 attempts: 2 truncated"):
        await rig.service.generate_idea_with_memory(wanted(max_attempts=2))
    assert rig.memory.ideas == {}


async def test_a_copy_is_refused_and_the_example_then_left_out():
    """Of a template by name and by text, of a known idea; the next prompts don't show what was copied."""
    known = written(an_idea(3))
    rig = await with_templates(BusinessRig(known), 0.9)
    await rig.service.generate_idea_with_memory(wanted())
    copies = (
        written(an_idea(7, name="template0 OF 0.9!")),
        like(0, "Template0 in name only of 0.9"),
        known,
    )
    rig.engine.answers = [known, *copies, written(an_idea(9))]
    result = await rig.service.generate_idea_with_memory(wanted())
    assert (result.idea.text, result.failures) == (an_idea(9), {"repeat": 3})
    assert ['{"name":"Template0' in rig.prompt(number) for number in range(1, 5)] == [
        True,
        False,
        False,
        False,
    ]


async def test_earlier_attempts_are_named_in_the_next_prompt():
    rig = await with_templates(BusinessRig(written(an_idea(1)), written(an_idea(2))), 0.9)
    await rig.service.generate_idea_with_memory(wanted(min_revenue_score=100.0, max_attempts=2))
    assert "Not one of these" not in rig.prompt(0)
    assert rig.prompt(1).endswith("Not one of these: Idea1 name1.<|im_end|>\n<|im_start|>assistant\n")


async def test_all_attempts_share_the_prompt_up_to_the_question():
    """Prompts begin with the templates, so that the engine prefills them once for all attempts."""
    rig = await with_templates(BusinessRig(), 0.9, 0.8)
    await rig.service.generate_idea_with_memory(wanted(min_revenue_score=100.0, max_attempts=3))
    shared = [rig.prompt(number).split("Write down")[0] for number in range(3)]
    assert len(set(shared)) == 1
    assert "Template1" in shared[0]


async def test_what_came_in_time_is_given():
    """The engine's deadline passes in the second attempt."""
    rig = await with_templates(BusinessRig(written(an_idea(1)), DeadlineExceeded("late")), 0.9)
    result = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=100.0))
    assert (result.attempts, result.stopped_by, result.met_threshold) == (1, "deadline", False)
    assert result.idea.text == an_idea(1)


async def test_no_attempt_is_begun_without_time_and_each_has_what_is_left(monkeypatch):
    rig = await with_templates(BusinessRig(), 0.9)
    taken = rig.memory.evidence

    async def slow(query):
        rig.clock.pass_s(4)
        return await taken(query)

    monkeypatch.setattr(rig.memory, "evidence", slow)
    result = await rig.service.generate_idea_with_memory(wanted(min_revenue_score=100.0, deadline_s=10.0))
    assert (result.attempts, result.stopped_by) == (3, "deadline")
    assert [request.deadline_s for request in rig.engine.requests] == pytest.approx([10, 6, 2], abs=0.1)


async def test_no_idea_in_time_is_an_error():
    with pytest.raises(DeadlineExceeded, match="no usable idea in time"):
        await BusinessRig(DeadlineExceeded("late")).service.generate_idea_with_memory(wanted())


async def test_faults_of_engine_and_memory_reach_the_caller():
    with pytest.raises(EngineUnavailable):
        await BusinessRig(*[EngineUnavailable("gone")] * 2).service.generate_idea_with_memory(wanted())
    rig = BusinessRig()
    rig.memory.fault = KnowledgeUnavailable("gone")
    with pytest.raises(KnowledgeUnavailable):
        await rig.service.generate_idea_with_memory(wanted())


async def test_the_type_with_the_best_record_is_chosen_when_none_is_asked_for():
    rig = await with_templates(BusinessRig(), 0.2)
    await rig.memory.put_template(ACME, "shop", a_template("Shop", 0.9, business_type=RETAIL))
    result = await rig.service.generate_idea_with_memory(wanted(business_type=None))
    assert result.idea.business_type == RETAIL
    assert "type retail" in rig.prompt()


@pytest.mark.parametrize("use_memory", [True, False])
async def test_without_type_and_evidence_there_is_nothing_to_choose_by(use_memory):
    rig = BusinessRig()
    if not use_memory:
        await with_templates(rig, 0.9)
    with pytest.raises(InvalidRequest) as refused:
        await rig.service.generate_idea_with_memory(wanted(business_type=None, use_memory=use_memory))
    assert refused.value.param == "business_type"
    assert rig.engine.requests == []


async def test_the_same_token_stores_one_idea():
    """The second call's idea is the first one's, whatever the model wrote."""
    rig = BusinessRig()
    first = await rig.service.generate_idea_with_memory(wanted(idempotency_key="k"))
    again = await rig.service.generate_idea_with_memory(wanted(idempotency_key="k"))
    assert (again.idea_id, again.idea) == (first.idea_id, first.idea)
    assert len(rig.memory.ideas) == 1


@pytest.mark.parametrize(
    "bounds",
    [{"min_revenue_score": 101}, {"min_revenue_score": -1}, {"max_attempts": 0}, {"max_attempts": 21}],
)
def test_a_request_has_bounds(bounds):
    with pytest.raises(InvalidRequest) as refused:
        wanted(**bounds)
    assert refused.value.param == next(iter(bounds))

"""An agent's defaults, and the bounds that hold for all interfaces."""

import math

import pytest

from deployments.agents.asking import question_of
from deployments.agents.specs import SUPPORT
from deployments.core.errors import InvalidRequest
from deployments.core.ids import RequestId, Scope, TenantId
from deployments.core.limits import MAX_ANSWER_TOKENS, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import Ask, Turn
from deployments.core.sampling import Sampling, Shaping
from deployments.core.time_spent import TimeSpent


def ask(query="How?", **changes):
    return Ask(TenantId(changes.pop("tenant", "acme")), query, RequestId("req-1"), **changes)


def test_the_agents_own_figures_are_the_defaults():
    """What a caller leaves out is the agent's."""
    question = question_of(SUPPORT, ask())
    assert question.scope == Scope(TenantId("acme"), SUPPORT.collection)
    assert question.sampling == Sampling(SUPPORT.max_tokens, SUPPORT.temperature)
    assert (question.text, question.top_k, question.request_id) == ("How?", 5, "req-1")


def test_what_a_caller_says_wins_and_arrives():
    """Zero is a value too: greedy sampling is not the default temperature."""
    history = (Turn("a", "b"),)
    question = question_of(
        SUPPORT,
        ask(
            top_k=2,
            max_tokens=1,
            temperature=0.0,
            top_p=0.5,
            seed=-3,
            stop=("END",),
            section="api",
            history=history,
            deadline_s=3.0,
            spent=TimeSpent(1.0, 5.0),
            instructions="Be brief.",
            json_schema='{"type": "object"}',
            shaping=Shaping(top_k=5),
        ),
    )
    assert question.sampling == Sampling(
        1, 0.0, 0.5, -3, ("END",), json_schema='{"type": "object"}', shaping=Shaping(top_k=5)
    )
    assert (question.top_k, question.section, question.history) == (2, "api", history)
    assert (question.deadline_s, question.spent) == (3.0, TimeSpent(1.0, 5.0))
    assert question.instructions == "Be brief."


@pytest.mark.parametrize(
    ("param", "changes"),
    [
        ("query", {"query": ""}),
        ("query", {"query": " \n\t\u00a0"}),
        ("query", {"query": "x" * (MAX_QUERY_CHARS + 1)}),
        ("top_k", {"top_k": 0}),
        ("top_k", {"top_k": MAX_TOP_K + 1}),
        ("max_tokens", {"max_tokens": 0}),
        ("max_tokens", {"max_tokens": MAX_ANSWER_TOKENS + 1}),
        ("temperature", {"temperature": -0.1}),
        ("temperature", {"temperature": 2.1}),
        ("temperature", {"temperature": math.nan}),
        ("top_p", {"top_p": 0.0}),
        ("top_p", {"top_p": 1.1}),
        ("seed", {"seed": 2**63}),
        ("seed", {"seed": -(2**64)}),
        ("business_id", {"tenant": "a/b"}),
        ("section", {"section": "a\0b"}),
        ("section", {"section": "\ud800"}),
        ("stop", {"stop": ("a",) * 5}),
        ("stop", {"stop": ("",)}),
        ("stop", {"stop": ("x" * 201,)}),
        ("top_k", {"shaping": Shaping(top_k=-1)}),
        ("top_k", {"shaping": Shaping(top_k=2**31)}),
        ("min_p", {"shaping": Shaping(min_p=1.1)}),
        ("min_p", {"shaping": Shaping(min_p=math.nan)}),
        ("repetition_penalty", {"shaping": Shaping(repetition_penalty=0)}),
        ("presence_penalty", {"shaping": Shaping(presence_penalty=2.1)}),
        ("frequency_penalty", {"shaping": Shaping(frequency_penalty=-2.1)}),
        ("json_schema", {"json_schema": '{"uniqueItems": true}'}),
        ("json_schema", {"json_schema": "{}", "answer_start": "{"}),
        ("history", {"history": (Turn("", ""),) * 501}),
        ("history", {"history": (Turn("x" * 100_000, "x" * 100_000),), "instructions": "x"}),
        ("history", {"history": (Turn("x" * 100_000, "x" * 100_000),), "answer_start": "x"}),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(param, changes):
    """Each bound raises InvalidRequest naming its field."""
    with pytest.raises(InvalidRequest, match=param) as refused:
        question_of(SUPPORT, ask(**changes))
    assert refused.value.param == param


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "x" * MAX_QUERY_CHARS},
        {"top_k": 1},
        {"top_k": MAX_TOP_K},
        {"max_tokens": MAX_ANSWER_TOKENS},
        {"temperature": 2.0},
        {"top_p": 1.0},
        {"seed": 2**63 - 1},
        {"shaping": Shaping(1_000_000, 1.0, 2.0, -2.0, 2.0)},
        {"stop": ("x" * 200,) * 4},
        {"history": (Turn("x" * 100_000, "x" * 100_000),)},
    ],
)
def test_the_bounds_themselves_are_allowed(changes):
    """The last allowed value passes."""
    assert question_of(SUPPORT, ask(**changes)).text

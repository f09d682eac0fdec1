"""The miniature of the generated week, and handles to objects in one process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from random import Random

import pytest

from tests.bench.parts.answers import turns
from tests.bench.workload.agent_questions import AGENTS, agent_questions
from tests.bench.workload.generator import FROZEN, miniature
from tests.local_handle import LocalHandle


@pytest.mark.parametrize("requests", [24, 120])
def test_a_miniature_keeps_the_week_s_proportions(requests: int) -> None:
    """A request has as many passages, each as long, and the same seed gives the same trace."""
    trace = miniature(requests, seed=1)
    assert trace == miniature(requests, seed=1)
    assert len(trace.asks) == requests
    assert {len(ask.passages) for ask in trace.asks} == {FROZEN.passages_per_request}
    assert len(trace.tokens) == max(round(FROZEN.passages * requests / FROZEN.requests), 24)


@pytest.mark.parametrize("agent", AGENTS)
def test_no_question_is_asked_twice_under_two_names(agent: str) -> None:
    """Only the benchmark itself repeats questions."""
    questions = agent_questions(agent, 10)
    texts = [(text, one.section) for one in questions for text in (one.first, one.reworded)]
    assert len(texts) == len(set(texts)) == 20


class _Service:
    def __init__(self, word: str) -> None:
        self._word = word

    async def word(self, times: int) -> str:
        return self._word * times

    async def words(self) -> AsyncGenerator[str, None]:
        for letter in self._word:
            yield letter


async def test_a_handle_in_process_calls_streams_and_broadcasts() -> None:
    """As Serve's does."""
    handle = LocalHandle(_Service("ab"), pickled=False)
    assert await handle.word.remote(2) == "abab"
    assert [letter async for letter in handle.options(stream=True).words.remote()] == ["a", "b"]
    assert await handle.broadcast("word", 1).results_async(return_exceptions=True) == ["ab"]


def test_d_is_asked_before_e() -> None:
    """All else about the order is random."""
    orders = {tuple(turns(dict.fromkeys("abde"), Random(seed))) for seed in range(200)}  # type: ignore[arg-type]
    assert len(orders) == 12
    assert all(order.index("d") < order.index("e") for order in orders)

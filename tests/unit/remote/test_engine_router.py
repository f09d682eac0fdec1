"""The order in which the router tries engine replicas for a generation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from serve_app.engine.preference_router import PreferenceRouter


def replica(name: str) -> Any:
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name))


async def ranks(
    running: str, preferred: tuple[str, ...] = (), avoided: tuple[str, ...] = ()
) -> list[list[str]]:
    """The names in each rank. Every letter of `running` is a replica's name."""
    request = GenerateRequest(
        RequestId("r"), b"", Sampling(1, 0.0), "salt", 5.0, replicas=preferred, avoid=avoided
    )
    pending: Any = SimpleNamespace(args=[request], routing_context=SimpleNamespace(should_backoff=False))
    router = PreferenceRouter.__new__(PreferenceRouter)
    chosen = await router.choose_replicas([replica(name) for name in running], pending)
    return [[one.replica_id.unique_id for one in rank] for rank in chosen]


@pytest.mark.parametrize(
    ("preferred", "avoided", "expected"),
    [
        ((), (), [["a", "b", "c"]]),
        (("c", "gone", "a"), (), [["c"], ["a"], ["b"]]),
        (("c", "b", "a"), ("c",), [["b"], ["a"]]),
        ((), ("c",), [["a", "b"]]),
        ((), ("a", "b", "c"), [["a", "b", "c"]]),
        (("b", "a", "c"), ("a", "b", "c"), [["b"], ["a"], ["c"]]),
    ],
)
async def test_what_is_preferred_comes_first_and_what_is_avoided_only_where_nothing_else_is(
    preferred: tuple[str, ...], avoided: tuple[str, ...], expected: list[list[str]]
) -> None:
    assert await ranks("abc", preferred, avoided) == expected

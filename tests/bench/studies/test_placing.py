"""How long choosing order and replica takes. Nothing is asserted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import quantiles
from typing import Any

import pytest

from deployments.core.reuse import replica_view
from deployments.core.reuse.ordering import Candidate
from deployments.core.reuse.placing import ReplicaState
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.reuse.residency import Residency
from tests.bench.studies.topical_prompts import (
    DOCUMENTS,
    SALT,
    Traffic,
    document,
    hashes_of,
    new_residency,
    placed,
    steps_of,
)

NODES = 100_000
PLACED = 2000


def _view(residency: Residency) -> ReplicaView:
    view = ReplicaView("replica")
    view.apply(residency.update_for(SALT, None, 0))
    return view


def _filled(orders: Iterator[list[Candidate]]) -> ReplicaView:
    """A view of a cache without limit, after these prompts have filled it with about `NODES` paths."""
    residency = new_residency(10**9)
    for nonce, candidates in enumerate(orders):
        steps = steps_of(candidates)
        hashes = hashes_of(steps, nonce)
        residency.stored(hashes)
        residency.served(SALT, steps, hashes)
        if nonce % 100 == 0 and residency.paths() >= NODES:
            break
    return _view(residency)


def _topical(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    traffic = Traffic(seed)
    return _filled(traffic.request() for _ in range(10**9)), traffic.request


def _every_order(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    """The worst case: all prompts have the same documents in different orders."""
    rng, documents = Random(seed), [document(number) for number in range(DOCUMENTS)]

    def request() -> list[Candidate]:
        return rng.sample(documents, DOCUMENTS)

    return _filled(request() for _ in range(10**9)), request


def _some_of_many(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    """Nearly as bad: the cache has three to seven of forty documents, requests are for any ten of them."""
    rng, documents = Random(seed), [document(number) for number in range(40)]
    orders = (rng.sample(documents, rng.randint(3, 7)) for _ in range(10**9))
    return _filled(orders), lambda: rng.sample(documents, DOCUMENTS)


@pytest.mark.parametrize("shape", [_topical, _every_order, _some_of_many])
def test_choosing_order_and_replica(
    shape: Callable[[int], tuple[ReplicaView, Callable[[], list[Candidate]]]],
    results: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten documents, trees of 100,000 paths. 64 replicas use four trees, each 16 times."""
    built = [shape(seed) for seed in range(4)]
    views, request = [view for view, _ in built], built[0][1]
    figures: dict[str, Any] = {"paths": [len(view) for view in views]}
    for replicas in (1, 4, 64):
        states = [ReplicaState(views[n % 4], 0) for n in range(replicas)]
        requests = [request() for _ in range(max(PLACED // replicas, 200))]
        figures[f"{replicas}_replicas"] = _timed(requests, states)
    requests = [request() for _ in range(100)]
    found = [_reused(candidates, views[0]) for candidates in requests]
    with monkeypatch.context() as patch:
        patch.setattr(replica_view, "SEARCHED_NODES", 10**6)
        best = [_reused(candidates, views[0]) for candidates in requests]
    figures["found_of_best"] = sum(found) / max(sum(best), 1)
    name = f"placing{shape.__name__}"
    results[name] = figures
    print(f"\n{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))


def _timed(requests: list[list[Candidate]], states: list[ReplicaState]) -> dict[str, float]:
    rng, times_ms = Random(0), []
    for candidates in requests:
        start_ns = time.thread_time_ns()  # CPU time, which other processes do not change
        placed(candidates, states, rng)
        times_ms.append((time.thread_time_ns() - start_ns) / 1e6)
    percentiles = quantiles(times_ms, n=100)
    return {"p50_ms": round(percentiles[49], 4), "p99_ms": round(percentiles[98], 4)}


def _reused(candidates: list[Candidate], view: ReplicaView) -> int:
    return int(placed(candidates, [ReplicaState(view, 0)], Random(0)).cached_tokens)

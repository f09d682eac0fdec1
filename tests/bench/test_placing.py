"""What it costs to choose order and replica, and what a replica's memory of its cache weighs.

Documents are drawn from topics, some of which are asked about more. Hashes stand for blocks, as they do in
the engine's events. Nothing is asserted.
"""

from __future__ import annotations

import gc
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from statistics import quantiles
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from deployments.core.ids import SegmentKey
from deployments.core.reuse import replica_view
from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.ordering import Candidate, by_popularity
from deployments.core.reuse.paths import SegmentId, Step, segment_id
from deployments.core.reuse.placing import ReplicaState, place
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.reuse.residency import Residency

BLOCK_TOKENS = 32
HEAD = Step(SegmentId(1), 512)
QUESTION_TOKENS = 40
SALT = "tenant"
NODES = 100_000
DOCUMENTS = 10
PLACED = 2000
MINUTE_S = 25.0
"""Of the processor, for each capacity, so that all together stays near one."""


class Traffic:
    """Requests for ten documents of a topic each."""

    def __init__(self, seed: int, topics: int = 500, documents: int = 16) -> None:
        self._rng = Random(seed)
        self._topics = [[_document(topic * 1000 + n) for n in range(documents)] for topic in range(topics)]
        self._weights = list(accumulate((rank + 1) ** -0.8 for rank in range(topics)))

    def request(self) -> list[Candidate]:
        """By rank; what is relevant to a topic mostly comes first."""
        (topic,) = self._rng.choices(self._topics, cum_weights=self._weights)
        by_relevance = sorted(range(len(topic)), key=lambda n: n * self._rng.random())
        return [topic[n] for n in by_relevance[:DOCUMENTS]]


def _document(number: int) -> Candidate:
    key = SegmentKey(hashlib.sha256(str(number).encode()).hexdigest())
    return Candidate(key, 60 + number * 7919 % 320)


def _steps(candidates: list[Candidate]) -> list[Step]:
    return [HEAD, *(Step(segment_id(candidate.key), candidate.tokens) for candidate in candidates)]


def _hashes(steps: list[Step], nonce: int) -> list[int]:
    """A block's hash: of the path in which it ends, and its number."""
    hashes: list[int] = []
    path, end = 0, 0
    for step in [*steps, Step(SegmentId(nonce), QUESTION_TOKENS)]:
        path, end = hash((path, step.segment)), end + step.tokens
        hashes += (hash((path, number)) for number in range(len(hashes), end // BLOCK_TOKENS))
    return hashes


def _residency(capacity_blocks: int) -> Residency:
    return Residency("replica", "epoch", BLOCK_TOKENS, capacity_blocks, time.monotonic)


def _view(residency: Residency) -> ReplicaView:
    view = ReplicaView("replica")
    view.apply(residency.update_for(SALT, None, 0))
    return view


def _filled(orders: Iterator[list[Candidate]]) -> ReplicaView:
    """A view of as many paths as such prompts leave in a cache without limit."""
    residency = _residency(10**9)
    for nonce, candidates in enumerate(orders):
        steps = _steps(candidates)
        hashes = _hashes(steps, nonce)
        residency.stored(hashes)
        residency.served(SALT, steps, hashes)
        if nonce % 100 == 0 and residency.paths() >= NODES:
            break
    return _view(residency)


def _topical(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    traffic = Traffic(seed)
    return _filled(traffic.request() for _ in range(10**9)), traffic.request


def _every_order(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    """The worst case: all prompts have the same documents, each in an order of its own."""
    rng, documents = Random(seed), [_document(number) for number in range(DOCUMENTS)]

    def request() -> list[Candidate]:
        return rng.sample(documents, DOCUMENTS)

    return _filled(request() for _ in range(10**9)), request


def _some_of_many(seed: int) -> tuple[ReplicaView, Callable[[], list[Candidate]]]:
    """Nearly as bad: three to seven of forty documents, of which any ten are asked for."""
    rng, documents = Random(seed), [_document(number) for number in range(40)]
    orders = (rng.sample(documents, rng.randint(3, 7)) for _ in range(10**9))
    return _filled(orders), lambda: rng.sample(documents, DOCUMENTS)


@pytest.mark.parametrize("shape", [_topical, _every_order, _some_of_many])
def test_choosing_order_and_replica(
    shape: Callable[[int], tuple[ReplicaView, Callable[[], list[Candidate]]]],
    results: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten documents on trees of 100,000 paths; 64 replicas are four trees, each 16 times."""
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


def _place(candidates: list[Candidate], states: list[ReplicaState], rng: Random) -> Any:
    prompt_tokens = HEAD.tokens + sum(candidate.tokens for candidate in candidates) + QUESTION_TOKENS
    return place(candidates, HEAD.segment, prompt_tokens, states, order=by_popularity, follow=True, rng=rng)


def _timed(requests: list[list[Candidate]], states: list[ReplicaState]) -> dict[str, float]:
    rng, times_ms = Random(0), []
    for candidates in requests:
        start_ns = time.thread_time_ns()  # of the processor: a busy machine is nothing of its own
        _place(candidates, states, rng)
        times_ms.append((time.thread_time_ns() - start_ns) / 1e6)
    percentiles = quantiles(times_ms, n=100)
    return {"p50_ms": round(percentiles[49], 4), "p99_ms": round(percentiles[98], 4)}


def _reused(candidates: list[Candidate], view: ReplicaView) -> int:
    return int(_place(candidates, [ReplicaState(view, 0)], Random(0)).cached_tokens)


@pytest.mark.parametrize("capacity_tokens", [46_000, 1_000_000])
def test_memory_of_what_is_resident(capacity_tokens: int, results: dict[str, Any]) -> None:
    """As many requests as a while allows, each placed by the view that follows; memory on the way."""
    blocks = capacity_tokens // BLOCK_TOKENS
    cache, residency, view, rng = (
        BlockCacheModel(blocks),
        _residency(blocks),
        ReplicaView("replica"),
        Random(0),
    )
    traffic, rows, measure_at = Traffic(0), [], 1000
    start_s, nonce = time.thread_time(), 0
    while time.thread_time() - start_s < MINUTE_S:
        candidates = traffic.request()
        placed = _place(candidates, [ReplicaState(view, 0)], rng)
        steps = _steps([candidates[i] for i in placed.order])
        hashes = _hashes(steps, nonce)
        admitted = cache.admit(hashes)
        residency.removed(admitted.evicted)
        residency.stored(admitted.stored)
        residency.served(SALT, steps, hashes)
        view.apply(residency.update_for(SALT, view.known, 0))
        nonce += 1
        if nonce == measure_at:
            measure_at *= 2
            rows.append(_weighed(nonce, residency, view))
    rows.append(_weighed(nonce, residency, view))
    results[f"residency_{capacity_tokens}"] = rows
    print(
        f"\n{capacity_tokens} tokens, {(time.thread_time() - start_s) * 1e6 / nonce:.0f} us a request in all"
    )
    for row in rows:
        print(row)


def _weighed(requests: int, residency: Residency, view: ReplicaView) -> dict[str, float]:
    return {
        "requests": requests,
        "paths": residency.paths(),
        "resident_blocks": residency.resident_blocks,
        "residency_mb": round(_bytes(residency) / 1e6, 2),
        "view_mb": round(_bytes(view) / 1e6, 2),
        "process_mb": round(_process_bytes() / 1e6, 1),
    }


def _bytes(root: object) -> int:
    """Of an object and all that it leads to, code and types aside."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _CODE):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting.extend(gc.get_referents(thing))
    return total


_CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)


def _process_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

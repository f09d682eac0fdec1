"""Requests of many tenants, each with the habits of the published week, and with passages of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import accumulate
from random import Random

from tests.bench.workload.generator import FROZEN, Habits, generate
from tests.bench.workload.trace import Ask, Trace

TENANT_SKEW = 1.0
"""The tenant of rank r asks 1/r as often as the first one."""
_PASSAGES_A_TENANT = 1_000_000
"""More than any tenant's passages: keeps their numbers apart."""


def many_tenants(requests: int, tenants: int, seed: int) -> Trace:
    """A trace of `requests` requests by at most `tenants` tenants: small ones may not ask at all."""
    upto = list(accumulate((rank + 1) ** -TENANT_SKEW for rank in range(tenants)))
    counts = Counter(Random(seed).choices(range(tenants), cum_weights=upto, k=requests))
    asks: list[Ask] = []
    tokens: dict[int, int] = {}
    for tenant, count in sorted(counts.items()):
        own = generate(seed + tenant, _habits(count))
        first = tenant * _PASSAGES_A_TENANT
        tokens |= {first + passage: length for passage, length in own.tokens.items()}
        asks += (
            Ask(ask.at_s, tuple(first + passage for passage in ask.passages), tenant, f"tenant{tenant}")
            for ask in own.asks
        )
    return Trace(sorted(asks, key=lambda ask: ask.at_s), tokens)


def _habits(requests: int) -> Habits:
    """The week's habits with as many passages and topics as so few requests can ask for."""
    scale, least = requests / FROZEN.requests, FROZEN.passages_per_request
    passages = max(round(FROZEN.passages * scale), least)
    topics = max(min(round(FROZEN.topics * scale), passages // least), 1)
    return replace(FROZEN, requests=requests, passages=passages, topics=topics)

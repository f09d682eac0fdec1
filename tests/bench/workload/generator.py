"""Generates a week of RAG requests from a seed: the same requests for the same seed, on any machine.

Each passage belongs to a topic, and each topic has intents. Some topics and intents are more frequent than
others. An intent ranks the topic's passages; each wording of it changes this ranking a little or a lot.
People ask follow-up questions: a request may have the topic of a recent one.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import exp, log, log2
from random import Random

from tests.bench.workload.trace import Ask, Trace

WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Habits:
    """Parameters of the generator.

    The defaults were fitted to the figures in `quantiles.py`. A second preamble and bursts change none of
    these, and are off.
    """

    requests: int = 5641
    passages: int = 3235
    passages_per_request: int = 6
    topics: int = 286
    topic_skew: float = 1.357
    pool_skew: float = 0.863
    intents_to_half: float = 3.56
    wording: float = 0.51
    wording_spread: float = 1.06
    stray: float = 0.008
    asks_on: float = 0.2
    recent: int = 12
    mean_passage_tokens: int = 220
    spread_passage_tokens: int = 85
    second_preamble: float = 0.0
    """Share of requests whose prompt begins with their agent's second preamble."""
    per_burst: int = 1
    """Mean number of requests in a burst; with 1 they come evenly spread."""
    burst_s: float = 100.0
    """How far a request is from the middle of its burst, in the mean."""


FROZEN = Habits()


@dataclass(slots=True)
class _Topic:
    pool: range
    intents: list[list[float]] = field(default_factory=list)
    """Each intent is a list of scores, one for each passage of the pool."""


def generate(seed: int, habits: Habits = FROZEN) -> Trace:
    """A trace in which every passage is asked for at least once.

    Raises ValueError if there are too few requests for that.
    """
    rng = Random(seed)
    topics = [_Topic(pool) for pool in _pools(habits)]
    popularity = [(rank + 1) ** -habits.topic_skew for rank in range(habits.topics)]
    upto = list(accumulate(popularity))
    times = sorted(rng.random() * WEEK_S for _ in range(habits.requests))
    retrieved: list[list[int]] = []
    recent: list[int] = []
    for _ in times:
        topic = bisect(upto, rng.random() * upto[-1])
        if recent and rng.random() < habits.asks_on:
            topic = rng.choice(recent)
        recent = [*recent, topic][-habits.recent :]
        retrieved.append(_retrieve(topics[topic], rng, habits))
    _use_all(retrieved, rng, habits)
    names = rng.sample(range(habits.passages), habits.passages)  # an id tells nothing about popularity
    lengths = {passage: _length(rng, habits) for passage in range(habits.passages)}
    if habits.per_burst > 1:
        times = _in_bursts(rng, habits)
    asks = [
        Ask(at_s, tuple(names[passage] for passage in passages), int(rng.random() < habits.second_preamble))
        for at_s, passages in zip(times, retrieved, strict=True)
    ]
    return Trace(asks, lengths)


def miniature(requests: int, seed: int, habits: Habits = FROZEN) -> Trace:
    """A trace of `requests` requests, with passages and topics in the same proportion as in the week."""
    scale = requests / habits.requests
    small = replace(
        habits,
        requests=requests,
        passages=max(round(habits.passages * scale), 4 * habits.passages_per_request),
        topics=max(round(habits.topics * scale), 2),
    )
    return generate(seed, small)


def _in_bursts(rng: Random, habits: Habits) -> list[float]:
    """Times of requests, each near the middle of a random burst. Bursts come mostly in the afternoon."""
    bursts = max(habits.requests // habits.per_burst, 1)
    middles = [(rng.randrange(7) * 24 + rng.gauss(14, 3.5)) * 3600 for _ in range(bursts)]
    around = [
        rng.choice(middles) + rng.choice((-1, 1)) * rng.expovariate(1 / habits.burst_s)
        for _ in range(habits.requests)
    ]
    return sorted(min(max(at_s, 0.0), WEEK_S) for at_s in around)


def _pools(habits: Habits) -> list[range]:
    """Each topic's passages. Popular topics have more."""
    least = habits.passages_per_request
    weights = list(accumulate((rank + 1) ** -habits.pool_skew for rank in range(habits.topics)))
    spare = habits.passages - least * habits.topics
    ends = [least * (i + 1) + round(spare * weight / weights[-1]) for i, weight in enumerate(weights)]
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _retrieve(topic: _Topic, rng: Random, habits: Habits) -> list[int]:
    intent = _intent(topic, rng, habits)
    noise = habits.wording * exp(rng.gauss(0, habits.wording_spread))
    scores = sorted(((score + noise * _gumbel(rng), i) for i, score in enumerate(intent)), reverse=True)
    ranked = [topic.pool[i] for _, i in scores[: habits.passages_per_request]]
    for place in range(len(ranked)):
        if rng.random() < habits.stray:
            other = rng.randrange(habits.passages)
            if other not in ranked:
                ranked[place] = other
    return ranked


def _intent(topic: _Topic, rng: Random, habits: Habits) -> list[float]:
    """A random intent of the topic, half as frequent as the one `intents_to_half` places before it."""
    number = int(-log2(1 - rng.random()) * habits.intents_to_half)
    while len(topic.intents) <= number:
        topic.intents.append([_gumbel(rng) for _ in topic.pool])
    return topic.intents[number]


def _use_all(retrieved: list[list[int]], rng: Random, habits: Habits) -> None:
    """Puts each passage that no request has into the last place of a random request."""
    uses = [0] * habits.passages
    for passages in retrieved:
        for passage in passages:
            uses[passage] += 1
    spots = rng.sample(retrieved, len(retrieved))
    for unused in [passage for passage, count in enumerate(uses) if not count]:
        while spots and uses[spots[-1][-1]] < 2:
            spots.pop()
        if not spots:
            raise ValueError("so few requests cannot ask for so many passages")
        passages = spots.pop()
        uses[passages[-1]] -= 1
        passages[-1] = unused


def _length(rng: Random, habits: Habits) -> int:
    wide = rng.gauss(habits.mean_passage_tokens, habits.spread_passage_tokens)
    return round(min(max(wide, 20), 2 * habits.mean_passage_tokens - 20))


def _gumbel(rng: Random) -> float:
    return -log(-log(rng.random() or 0.5))

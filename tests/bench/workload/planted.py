"""Ways to make a miss of each cause by construction, on a modelled agent.

Agent and replicas start empty. A few questions and events make one passage absent for one cause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

from deployments.core.documents import Passage
from deployments.core.ledger import Answer
from deployments.core.reuse.misses import Cause
from tests.bench.workload.modelled_agent import ModelledAgent
from tests.bench.workload.modelled_engines import BLOCK

SHORT = 7
"""Tokens of a passage that fills no block."""

Plant = Callable[[Random], Awaitable[tuple[Answer, Passage]]]
"""Plants a miss. Returns the answer, and its prompt's passage that is absent for the planted cause."""


async def new_after_known(rng: Random) -> tuple[Answer, Passage]:
    """A passage that no prompt has had, after one that is cached."""
    agent = ModelledAgent(rng)
    known, new = agent.passage(), agent.passage()
    await agent.ask(known)
    return await agent.ask(known, new), new


async def new_in_known_document(rng: Random) -> tuple[Answer, Passage]:
    """A passage that no prompt has had, of a document whose other passage is cached."""
    agent = ModelledAgent(rng)
    known = agent.passage()
    new = agent.passage(of=known, ordinal=1)
    await agent.ask(known)
    return await agent.ask(known, new), new


async def new_to_tenant(rng: Random) -> tuple[Answer, Passage]:
    """A passage that only another tenant's prompts have had."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage, tenant="other")
    return await agent.ask(passage), passage


async def changed_document(rng: Random) -> tuple[Answer, Passage]:
    """A passage of a new version; the former one is cached."""
    agent = ModelledAgent(rng)
    other, former = agent.passage(), agent.passage()
    await agent.ask(other, former)
    changed = agent.passage(of=former, version=2)
    return await agent.ask(other, changed), changed


async def changed_twice(rng: Random) -> tuple[Answer, Passage]:
    """The second passage of a new version, whose first passage was asked for before."""
    agent = ModelledAgent(rng)
    first = agent.passage()
    second = agent.passage(of=first, ordinal=1)
    await agent.ask(first, second)
    await agent.ask(agent.passage(of=first, version=2))
    changed = agent.passage(of=second, version=2)
    return await agent.ask(changed), changed


async def changed_after_eviction(rng: Random) -> tuple[Answer, Passage]:
    """A passage of a new version; the former one is not cached any more."""
    agent = ModelledAgent(rng)
    former = agent.passage()
    await agent.ask(former)
    await agent.server.evict()
    changed = agent.passage(of=former, version=2)
    return await agent.ask(changed), changed


async def evicted(rng: Random) -> tuple[Answer, Passage]:
    """A passage that other prompts have pushed out, as the agent has learned from a survey."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    await agent.server.evict()
    return await agent.ask(passage), passage


async def evicted_by_documents(rng: Random) -> tuple[Answer, Passage]:
    """A passage that the tenant's other documents have pushed out."""
    agent = ModelledAgent(rng, replicas=["one"])
    passage = agent.passage()
    await agent.ask(passage)
    for _ in range(5):
        await agent.ask(*(agent.passage(150) for _ in range(5)))
    return await agent.ask(passage), passage


async def evicted_unnoticed(rng: Random) -> tuple[Answer, Passage]:
    """A passage that is evicted after the agent's last survey."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    await agent.server.evict()
    return await agent.ask(passage, surveyed=False), passage


async def evicted_in_part(rng: Random) -> tuple[Answer, Passage]:
    """A passage that has lost its last blocks."""
    agent = ModelledAgent(rng)
    passage = agent.passage(10 * BLOCK)
    await agent.ask(passage)
    await agent.server.evict(rng.randint(8, 10))  # the question's blocks are the first
    return await agent.ask(passage, surveyed=rng.random() < 0.5), passage


async def evicted_by_reset(rng: Random) -> tuple[Answer, Passage]:
    """A passage in a cache that was emptied."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    agent.server.reset()
    return await agent.ask(passage), passage


async def after_others(rng: Random) -> tuple[Answer, Passage]:
    """A passage that is cached after another one, which this question does not find."""
    agent = ModelledAgent(rng)
    first, passage = agent.passage(), agent.passage()
    await agent.ask(first, passage)
    return await agent.ask(passage, agent.passage()), passage


async def after_one_left_out(rng: Random) -> tuple[Answer, Passage]:
    """A passage that is cached after two others, of which this question finds the first only."""
    agent = ModelledAgent(rng)
    first, passage = agent.passage(), agent.passage()
    await agent.ask(first, agent.passage(), passage)
    return await agent.ask(first, passage), passage


async def out_of_rank(rng: Random) -> tuple[Answer, Passage]:
    """A passage that is cached at the beginning, and now comes later by its rank."""
    agent = ModelledAgent(rng, order="rank")
    passage, other = agent.passage(), agent.passage()
    await agent.ask(passage, other)
    return await agent.ask(other, passage), passage


async def in_loaded_replica(rng: Random) -> tuple[Answer, Passage]:
    """A passage in a replica where much waits, so that the agent chooses another."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    agent.server.waiting_tokens = 100_000
    return await agent.ask(passage), passage


async def in_full_replica(rng: Random) -> tuple[Answer, Passage]:
    """A passage in the chosen replica, which is full, so that another one answers."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    agent.server.full = True
    return await agent.ask(passage), passage


async def in_poorer_replica(rng: Random) -> tuple[Answer, Passage]:
    """A passage in a replica that has less of the prompt's other passages than the chosen one."""
    agent = ModelledAgent(rng, replicas=["one", "two", "three"])
    passage, others = agent.passage(60), [agent.passage(150), agent.passage(150)]
    await agent.ask(passage)
    agent.server.full = True
    await agent.ask(*others)
    for replica in agent.replicas.by_name.values():
        replica.full = False
    return await agent.ask(passage, *others), passage


async def partial_block(rng: Random) -> tuple[Answer, Passage]:
    """The last passage, of which a part of a block is left."""
    agent = ModelledAgent(rng)
    first, last = agent.passage(), agent.passage()
    while not agent.shares_block_with_question(first, last):
        last = agent.passage()
    await agent.ask(first, last)
    return await agent.ask(first, last), last


async def shorter_than_block(rng: Random) -> tuple[Answer, Passage]:
    """A passage that fills no block."""
    agent = ModelledAgent(rng)
    first, short = agent.passage(), agent.passage(SHORT)
    while agent.beyond_block(first) + SHORT > BLOCK or not agent.shares_block_with_question(first, short):
        first = agent.passage()
    await agent.ask(first, short)
    return await agent.ask(first, short), short


async def partial_block_elsewhere(rng: Random) -> tuple[Answer, Passage]:
    """As `partial_block`, in two replicas, of which the chosen one is full."""
    agent = ModelledAgent(rng)
    last = agent.passage()
    while not agent.shares_block_with_question(last):
        last = agent.passage()
    await agent.ask(last)
    agent.server.full = True
    await agent.ask(last)
    chosen = agent.replicas[agent.replicas.served[0]]
    agent.server.waiting_tokens = 1000  # so that the full one is chosen again
    agent.server.full, chosen.full = False, True
    return await agent.ask(last), last


async def lost_events(rng: Random) -> tuple[Answer, Passage]:
    """A passage whose eviction is among lost events."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    agent.server.loses_events = True
    await agent.server.evict()
    agent.server.loses_events = False
    await agent.server.evict(1)  # by the number of the next batch the reader notices the loss
    return await agent.ask(passage), passage


async def late_events(rng: Random) -> tuple[Answer, Passage]:
    """A passage whose eviction is among events that come when the prompt is already there."""
    agent = ModelledAgent(rng)
    passage = agent.passage()
    await agent.ask(passage)
    agent.server.delay_events()
    await agent.server.evict()
    return await agent.ask(passage), passage


PLANTS: Mapping[Cause, Sequence[Plant]] = {
    Cause.NEVER_SEEN: (new_after_known, new_in_known_document, new_to_tenant),
    Cause.CHANGED: (changed_document, changed_twice, changed_after_eviction),
    Cause.EVICTED: (evicted, evicted_by_documents, evicted_unnoticed, evicted_in_part, evicted_by_reset),
    Cause.ORDER: (after_others, after_one_left_out, out_of_rank),
    Cause.REPLICA: (in_loaded_replica, in_full_replica, in_poorer_replica),
    Cause.UNALIGNED: (partial_block, shorter_than_block, partial_block_elsewhere),
    Cause.EVENTS_LOST: (lost_events, late_events),
}
"""The ways in which each cause is planted."""

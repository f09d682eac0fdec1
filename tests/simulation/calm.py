"""What must hold when nothing has failed for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from deployments.core.ids import Scope
from deployments.core.reuse.replica_view import ReplicaView
from deployments.retrieval.held_leases import WATCHED_S
from tests.simulation.callers import TOPICS, Callers
from tests.simulation.engines import ASK_EVERY_S, BLOCK, BLOCKS, EngineReplica, Prompt
from tests.simulation.processes import Process
from tests.simulation.world import World

QUIET_S = ASK_EVERY_S + 20.0
"""Until all events that can still be had have arrived."""
SETTLED_S = 6.0
"""Until a survey that a question starts has ended, and no block is unconfirmed."""
IDLE_S = WATCHED_S + 15.0
"""Until no lease is watched."""


async def check_calm(world: World, callers: Callers) -> None:
    """Waits, asks, and records what does not hold."""
    world.dice.storm = 0.0
    world.redis.down = False
    world.start_missing()
    await asyncio.sleep(QUIET_S)
    for agent in world.agents:
        for scope in world.scopes:
            if not await callers.ask(scope, world.dice.choice(TOPICS), agent):
                world.auditor.violated(f"{agent.name} does not answer {scope} in calm times")
    await asyncio.sleep(SETTLED_S)
    for agent in world.agents:
        agent.start(_surveys(agent, world.scopes))
    await asyncio.sleep(SETTLED_S)
    for what in (*_views(world), *_counts(world)):
        world.auditor.violated(what)
    await asyncio.sleep(IDLE_S)
    for what in _leftovers(world):
        world.auditor.violated(what)


async def _surveys(agent: Process, scopes: Sequence[Scope]) -> None:
    """Asks the engines what they hold now, as the next questions would."""
    for scope in scopes:
        agent.service.views.refresh(await agent.service.salts.of(scope))


def _views(world: World) -> Iterator[str]:
    """Where an engine's own view, or an agent's, differs from what the engine holds."""
    for engine in world.engines:
        for prompt in engine.vllm.prompts:
            own = ReplicaView(engine.name)
            own.apply(engine.resident.survey(prompt.salt, ()))
            if not engine.resident.feed.complete:
                if not own.estimated:
                    yield f"{engine.name} lacks events and says nothing"
                continue
            believed, truth = _cached(own, prompt), engine.vllm.cache.leading(prompt.hashes) * BLOCK
            # Of documents that begin alike, the first block may be known under another one's name.
            if believed > truth or (believed < truth and prompt is engine.vllm.prompts[-1]):
                yield f"{engine.name} believes to hold {believed} tokens of a prompt, and holds {truth}"
            for agent in world.agents:
                if prompt.salt in {agent.service.salts.known(scope) for scope in world.scopes}:
                    yield from _seen_by(agent, engine, prompt, believed)


def _seen_by(agent: Process, engine: EngineReplica, prompt: Prompt, believed: int) -> Iterator[str]:
    for view in agent.service.views.ranked(prompt.salt, [engine.name]):
        seen = _cached(view, prompt)
        if seen != believed:
            yield f"{agent.name} believes that {engine.name} holds {seen} tokens, and not {believed}"


def _cached(view: ReplicaView, prompt: Prompt) -> int:
    return view.path_along(prompt.head, prompt.documents).cached_tokens


def _counts(world: World) -> Iterator[str]:
    """Where more prompts were counted than there were."""
    for scope in world.scopes:
        name = f"warmline:counters:{scope}"
        counted = sum(world.redis.counter(name, field) for field in ("request_hits", "request_misses"))
        if counted > world.recorded[scope]:
            yield f"{counted:g} prompts of {scope} are counted, {world.recorded[scope]} were made"


def _leftovers(world: World) -> Iterator[str]:
    """What is left of work that has ended."""
    for knowledge in world.knowledge:
        if left := knowledge.service.leftovers():
            yield f"{knowledge.name} keeps {left}"
    for engine in world.engines:
        counters = engine.resident.counters()
        if counters.waiting or counters.pending_tokens or engine.turns._taken:
            yield f"{engine.name} keeps seats of requests that have ended"
        if counters.resident_blocks > BLOCKS:
            yield f"{engine.name} believes to hold more blocks than it has"
    for agent in world.agents:
        if left := agent.service.leftovers():
            yield f"{agent.name} keeps {left}"
    processes = [*world.knowledge, *world.agents, *(engine.process for engine in world.engines)]
    for process in processes:
        if len(process.tasks) > 1:  # an engine's replica follows its events
            yield f"{process.name} still has {len(process.tasks)} tasks"

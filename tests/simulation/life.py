"""One simulated life of a cluster: storms of calls and faults, and long pauses, for some hours."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from deployments.core.ids import Scope
from tests.simulation.callers import DOCUMENTS, TOPICS, Callers
from tests.simulation.calm import check_calm
from tests.simulation.faults import fault
from tests.simulation.processes import Dice, Process, Tasks
from tests.simulation.virtual_time import Deadlock, VirtualTimeLoop
from tests.simulation.world import World

STORM_S = 20.0
PAUSE_S = 10_800.0
"""Mean time between two storms."""
CALM_SHARE = 0.3
"""Of the storms, those after which everything is compared."""


@dataclass(frozen=True)
class Lived:
    """What a life was like."""

    seed: int
    hours: float
    """Simulated ones, until the end or the first violation."""
    calls: Counter[str]
    """Calls by kind."""
    outcomes: Counter[str]
    """Answers, and failed questions by their error."""
    faults: Counter[str]
    """Faults by kind."""
    violations: list[str]


def live(seed: int, hours: float) -> Lived:
    """Lives one life. Equal seeds give equal lives, if PYTHONHASHSEED is equal too."""
    logging.disable(logging.ERROR)
    loop = VirtualTimeLoop()
    life = _Life(loop, seed)
    loop.set_exception_handler(life.unhandled)
    try:
        loop.run_until_complete(life.run(hours * 3600))
    except Deadlock as error:
        life.world.auditor.violated(str(error))
    finally:
        lived = life.lived()
        _end(loop)
        logging.disable(logging.NOTSET)
    return lived


def _end(loop: VirtualTimeLoop) -> None:
    loop.set_exception_handler(lambda _loop, _context: None)
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


class _Life:
    def __init__(self, loop: VirtualTimeLoop, seed: int) -> None:
        self._seed = seed
        self._loop = loop
        self._dice = Dice(seed)
        self._faults: Counter[str] = Counter()
        self.world: World
        self._callers: Callers

    async def run(self, seconds: float) -> None:
        self.world = World(self._dice, Tasks(self._loop), self._loop.time)
        self._callers = Callers(self.world)
        violations = self.world.auditor.violations
        for scope in self.world.scopes:
            for doc_id in DOCUMENTS:
                await self._callers.change(scope, doc_id)
        while self._loop.time() < seconds and not violations:
            await self._storm()
            if not violations and self._dice.random() < CALM_SHARE:
                await check_calm(self.world, self._callers)
            await asyncio.sleep(self._dice.expovariate(1 / PAUSE_S))

    def lived(self) -> Lived:
        auditor = self.world.auditor
        hours = self._loop.time() / 3600
        return Lived(
            self._seed, hours, self._callers.calls, auditor.answers, self._faults, list(auditor.violations)
        )

    def unhandled(self, _loop: Any, context: dict[str, Any]) -> None:
        self.world.auditor.violated(f"an error that nobody handles: {context}")

    async def _storm(self) -> None:
        """Calls and faults for some seconds, most of them about one collection."""
        dice = self._dice
        dice.storm = dice.choice((0.0, 0.3, 1.0, 1.0))
        scope, topic = dice.choice(self.world.scopes), dice.choice(TOPICS)
        work: list[Coroutine[Any, Any, None]] = [
            self._questions(scope, topic) for _ in range(dice.randrange(1, 6))
        ]
        work += [self._changes(scope, topic) for _ in range(dice.randrange(1, 4))]
        work += [self._others(scope)]
        work += [self._fails(scope, topic) for _ in range(dice.randrange(4) if dice.storm else 0)]
        await asyncio.gather(*work)
        dice.storm = 0.0

    async def _questions(self, scope: Scope, topic: str) -> None:
        dice = self._dice
        for _ in range(3):
            await asyncio.sleep(dice.random() * STORM_S / 3)
            about = topic if dice.random() < 0.7 else dice.choice(TOPICS)
            whose = scope if dice.random() < 0.7 else dice.choice(self.world.scopes)
            if self.world.agents:
                await self._callers.ask(whose, about, leaves=True)

    async def _changes(self, scope: Scope, topic: str) -> None:
        for _ in range(2):
            await asyncio.sleep(self._dice.random() * STORM_S / 2)
            await self._change(scope, topic)

    async def _change(self, scope: Scope, topic: str) -> None:
        """Changes a document, and asks at once and in the next second: all agents must see it."""
        doc_id = self._dice.choice([doc_id for doc_id in DOCUMENTS if topic in doc_id])
        if await self._callers.change(scope, doc_id):
            asking = [
                self._ask_after(scope, topic, agent, after_s)
                for agent in self.world.agents
                for after_s in (0.0, self._dice.random())
            ]
            await asyncio.gather(*asking)

    async def _ask_after(self, scope: Scope, topic: str, agent: Process, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._callers.ask(scope, topic, agent)

    async def _others(self, scope: Scope) -> None:
        await asyncio.sleep(self._dice.random() * STORM_S)
        if self._dice.random() < 0.4:
            await self._callers.erase(scope.tenant)
            if self.world.agents:
                await self._callers.ask(scope, self._dice.choice(TOPICS))
        elif self._dice.random() < 0.1:
            await self._callers.clear(scope)

    async def _fails(self, scope: Scope, topic: str) -> None:
        await asyncio.sleep(self._dice.random() * STORM_S)
        name = await fault(self.world)
        self._faults[name] += 1
        if name == "knowledge":  # a new process does not know what the one before has promised
            await self._change(scope, topic)

"""Processes that crash, and calls between them that are late, lost or cut off.

All processes share one event loop. A task belongs to the process of the task that starts it, so a crash ends
everything that a process has begun, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from deployments.core.errors import Unavailable, WarmlineError
from tests.simulation.virtual_time import VirtualTimeLoop

Result = TypeVar("Result")


class CancelledByOthers(Exception):
    """A call ended by a cancellation, although its caller waited for it and its process runs."""


class Dice(Random):
    """Decides what goes wrong. `storm` scales the chance of each fault: 0 in calm times, 1 in a storm."""

    storm = 0.0

    def fails(self, chance: float) -> bool:
        """Whether a fault of this chance happens."""
        return self.random() < chance * self.storm

    async def pause(self, usual_s: float = 0.003) -> None:
        """Waits as a message does on its way: mostly a moment, in a storm now and then for seconds."""
        longest_s = 6.0 if self.fails(0.01) else 1.5 if self.fails(0.12) else usual_s
        await asyncio.sleep(self.random() * longest_s)


class Process:
    """Tasks that end together. `service` is what others call."""

    def __init__(self, name: str, tasks: Tasks) -> None:
        self.name = name
        self.alive = True
        self.service: Any = None
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._all = tasks

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Runs `work` as a task of this process."""
        return self._all.started(self, work)

    def crash(self) -> None:
        """Ends all its tasks. Calls of it fail from now on."""
        self.alive = False
        for task in list(self.tasks):
            task.cancel()


class Tasks:
    """Knows the process of each task of a loop."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._owners: dict[asyncio.Task[Any], Process] = {}
        self._starting: Process | None = None
        loop.set_task_factory(self._made)

    def started(self, owner: Process, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """A task of the process `owner`."""
        self._starting = owner
        try:
            return self._loop.create_task(work)
        finally:
            self._starting = None

    def _made(self, loop: Any, work: Any, **named: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **named)
        current = asyncio.current_task(loop) if self._starting is None else None
        owner = self._starting if current is None else self._owners.get(current)
        if owner is not None:
            self._owners[task] = owner
            owner.tasks[task] = None
            task.add_done_callback(self._ended)
            if not owner.alive:
                task.cancel()
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._owners.pop(task).tasks[task]


class Link:
    """The way of messages between two processes."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._slow_until_s = 0.0

    def slow_down(self, for_s: float) -> None:
        """Has each message take seconds from now on."""
        self._slow_until_s = asyncio.get_running_loop().time() + for_s

    async def passes(self) -> None:
        """A message is on its way."""
        if asyncio.get_running_loop().time() < self._slow_until_s:
            await asyncio.sleep(self._dice.uniform(0.5, 2.5))
        else:
            await self._dice.pause()


class Remote:
    """A client of another process's service: each method of the service is one of this object.

    `find` gives the process that runs now, None where none does. `error` is what a failed call raises.
    """

    def __init__(
        self,
        find: Callable[[], Process | None],
        dice: Dice,
        error: type[WarmlineError] = Unavailable,
        link: Link | None = None,
    ) -> None:
        self._find = find
        self._dice = dice
        self._error = error
        self._link = link or Link(dice)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._link.passes()
            process = self._find()
            if process is None or self._dice.fails(0.02):
                raise await self._lost()
            answer = await in_process(process, getattr(process.service, name)(*arguments, **named))
            if answer is None:
                raise self._error("the process has ended")
            await self._link.passes()
            if self._dice.fails(0.02):
                raise await self._lost()
            return answer[0]

        return call

    async def _lost(self) -> WarmlineError:
        """The error of a lost message, after its caller has noticed."""
        await asyncio.sleep(self._dice.random() * (20.0 if self._dice.fails(0.2) else 0.5))
        return self._error("the call was lost")


async def in_process(process: Process, work: Coroutine[Any, Any, Result]) -> tuple[Result] | None:
    """The result of `work`, which runs in a process; None if the process crashed. Raises what it raises.

    A caller that is cancelled cancels the work.
    """
    task = process.start(work)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if not process.alive:
        return None
    if task.cancelled():
        raise CancelledByOthers("a call was cancelled, and not by its caller")
    return (task.result(),)

"""Some hundred hours of a simulated cluster keep all promises; virtual time passes as it should."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.life import live
from tests.simulation.processes import Process, Tasks
from tests.simulation.virtual_time import Deadlock, VirtualTimeLoop

ROOT = Path(__file__).parents[2]


def test_hundreds_of_simulated_hours_break_no_promise() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--hours", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_a_seed_gives_the_same_life_again() -> None:
    """Else a violation could not be repeated."""
    assert live(5, 2.0) == live(5, 2.0)
    assert live(5, 2.0) != live(6, 2.0)


def test_timers_run_in_their_order_and_take_no_time() -> None:
    loop = VirtualTimeLoop()

    async def waited() -> tuple[list[float], float]:
        ends = await asyncio.gather(*(asyncio.sleep(s, s) for s in (3600.0, 1.0, 60.0)))
        return ends, loop.time()

    try:
        ends, now_s = loop.run_until_complete(waited())
        assert ends == [3600.0, 1.0, 60.0]
        assert now_s == pytest.approx(3600.0)
    finally:
        loop.close()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_waiting_for_nothing_is_noticed() -> None:
    loop = VirtualTimeLoop()
    task = loop.create_task(asyncio.Event().wait())
    try:
        with pytest.raises(Deadlock):
            loop.run_until_complete(task)
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()


def test_a_crash_ends_all_that_a_process_has_begun_and_nothing_else() -> None:
    loop = VirtualTimeLoop()
    tasks = Tasks(loop)
    ended: list[str] = []

    async def late(name: str) -> None:
        await asyncio.sleep(10)
        ended.append(name)

    async def begins(name: str) -> None:
        background = asyncio.get_running_loop().create_task(late(f"{name} in the background"))
        await late(name)
        await background

    async def lives() -> None:
        one, other = Process("one", tasks), Process("other", tasks)
        running = [one.start(begins("one")), other.start(begins("other"))]
        await asyncio.sleep(5)
        one.crash()
        await asyncio.wait(running)
        assert not one.tasks

    try:
        loop.run_until_complete(lives())
    finally:
        loop.close()
    assert sorted(ended) == ["other", "other in the background"]

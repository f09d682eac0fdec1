"""The engine's description is requested once for all questions."""

from __future__ import annotations

import asyncio

import pytest

from deployments.core.errors import EngineUnavailable, InternalFault, Overloaded
from deployments.core.messages import EngineInfo
from deployments.rag import described_engine as module
from deployments.rag.described_engine import DescribedEngine

INFO = EngineInfo("m", 2048, 32, 4096)


class Engine:
    """Raises the given faults, one a call, then returns its description; waits for `gate`."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def describe(self) -> EngineInfo:
        self.asked += 1
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        return INFO


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER_S", 0.0)


async def test_many_questions_ask_once() -> None:
    engine = Engine()
    described = DescribedEngine(engine.describe)
    assert await asyncio.gather(*(described.info() for _ in range(20))) == [INFO] * 20
    assert await described.info() == INFO
    assert engine.asked == 1


async def test_an_engine_that_is_full_is_asked_again() -> None:
    engine = Engine(EngineUnavailable("the engine is not ready"), Overloaded("many wait"))
    assert await DescribedEngine(engine.describe).info() == INFO
    assert engine.asked == 3


async def test_a_cancelled_question_does_not_cancel_the_request() -> None:
    engine = Engine()
    engine.gate.clear()
    described = DescribedEngine(engine.describe)
    hasty, patient = (asyncio.create_task(described.info()) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    engine.gate.set()
    assert await patient == INFO
    assert engine.asked == 1


async def test_a_fault_is_not_kept() -> None:
    engine = Engine(InternalFault("a bug"))
    described = DescribedEngine(engine.describe)
    with pytest.raises(InternalFault):
        await described.info()
    assert await described.info() == INFO

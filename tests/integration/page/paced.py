"""An engine that can be held up within an answer, and prefills a prompt that it knows in less time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from deployments.core.messages import Delta, GenerateRequest
from tests.fakes import FakeGenerator, a_passage
from tests.unit.rag.rig import Rig, delta
from tests.unit.serve_app.fake_services import Api

ANSWER = """To cancel, do this [1]:

1. Open **Settings**.
2. Press `Cancel`.

Not [this](javascript:alert(1)), nor <img src=x onerror="alert(2)">, but [that](https://docs.example/x).

| Plan | Price |
|---|---|
| Team | $9 |
"""
FIRST_MS = 400.0
AGAIN_MS = 40.0
UNKNOWN_TOKENS = 10
"""Of a prompt that it knows."""


class PacedGenerator(FakeGenerator):
    """Answers `ANSWER` word by word. While `gate` is closed, it waits there before the last word."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`."""
        known = any(request.prompt == earlier.prompt for earlier in self.requests)
        self.requests.append(request)
        prefill_ms = AGAIN_MS if known else FIRST_MS
        cached = len(request.prompt) // 4 - UNKNOWN_TOKENS if known else 0
        await asyncio.sleep(prefill_ms / 1000)
        head, *words, last = ANSWER.split(" ")
        yield delta(head, kv_cached_tokens=cached, queue_ms=0.1, prefill_ms=prefill_ms)
        for word in words:
            await asyncio.sleep(0.001)
            yield delta(f" {word}")
        await self.gate.wait()
        yield delta(f" {last}")
        yield delta("", finish_reason="stop", decode_ms=10.0 * len(words))


def paced_api(generator: PacedGenerator, **settings: Any) -> Api:
    """The application over fakes, whose support agent has this engine."""
    rig = Rig([a_passage(n) for n in range(3)])
    rig.use(generator=generator, clock=time.perf_counter)
    return Api(rig, **settings)

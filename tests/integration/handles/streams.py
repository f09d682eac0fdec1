"""An engine that yields numbers, called over a real handle: `streams.py STATE_DIR PORT on|off`.

The last argument switches Serve's fast path. Prints what the client observed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from deployments.core.errors import PromptTooLong, WarmlineError
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.sampling import Sampling
from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.settings import Settings

settings = Settings.from_env(
    {}, state_dir=sys.argv[1], http_port=int(sys.argv[2]), fast_path=sys.argv[3] == "on"
)
prepare_environment(settings)

from ray import serve  # noqa: E402  it reads the environment

from serve_app.engine.handle import EngineHandle  # noqa: E402


class Counting:
    """Yields numbers. The request's salt names the fault to raise."""

    def __init__(self) -> None:
        self._open = 0

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self._open += 1
        try:
            if request.cache_salt == "too long":
                raise PromptTooLong("too long", "query")
            for number in range(request.sampling.max_tokens):
                yield Delta(str(number), b"")
                if request.cache_salt == "fault":
                    raise ValueError("inside")
                await asyncio.sleep(0.01)
        finally:
            self._open -= 1

    async def describe(self) -> EngineInfo:
        return EngineInfo("counting", os.getpid(), 32, self._open)


def request(max_tokens: int, salt: str = "none") -> GenerateRequest:
    return GenerateRequest(RequestId("r"), b"", Sampling(max_tokens, 0.0), salt, deadline_s=60)


async def read(engine: EngineHandle, asked: GenerateRequest) -> list[str]:
    return [delta.text async for delta in engine.generate(asked)]


async def failure(engine: EngineHandle, salt: str) -> tuple[str, str]:
    try:
        await read(engine, request(100, salt))
    except WarmlineError as error:
        return type(error).__name__, error.message
    return "", ""


async def is_idle(engine: EngineHandle) -> bool:
    """Whether no generation is left within 2 s."""
    for _ in range(100):
        if (await engine.describe()).kv_cache_tokens == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def observed(handle: Any) -> dict[str, Any]:
    engine = EngineHandle(handle)
    seen: dict[str, Any] = {"read": await read(engine, request(3))}

    stream = engine.generate(request(100_000))
    await anext(stream)
    seen["open"] = (await engine.describe()).kv_cache_tokens
    await stream.aclose()
    seen["idle after close"] = await is_idle(engine)

    reader = asyncio.create_task(read(engine, request(100_000)))
    await asyncio.sleep(0.5)
    reader.cancel()
    with suppress(asyncio.CancelledError):
        await reader
    seen["idle after cancel"] = await is_idle(engine)

    seen["refused"] = await failure(engine, "too long")
    seen["fault"] = await failure(engine, "fault")

    stream = engine.generate(request(100_000))
    await anext(stream)
    os.kill((await engine.describe()).max_model_len, signal.SIGKILL)
    try:
        async for _ in stream:
            pass
    except WarmlineError as error:
        seen["killed"] = type(error).__name__
    seen["replaced"] = await read(engine, request(3))
    return seen


def main() -> None:
    ensure_local_ray(settings)
    deployment = serve.deployment(Counting).options(ray_actor_options={"num_cpus": 0.1})
    handle = serve.run(deployment.bind(), route_prefix=None)
    print(json.dumps(asyncio.run(observed(handle))), flush=True)


main()

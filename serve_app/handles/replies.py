"""What the replicas of a deployment answer to a call of all of them, each by itself.

Serve would gather the answers. Then one replica that is full, and has the call wait for a place, holds up the
answers of all. To take them one by one reaches into Ray 2.60; a test fails when that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ray.serve.exceptions import DeploymentUnavailableError

from deployments.core.errors import EngineUnavailable


class Silence:
    """A replica has not answered in time."""


async def replies(response: Any, within_s: float) -> AsyncGenerator[Any, None]:
    """Answers to a broadcast as they come, and in the end a `Silence` for each that has not come in time.

    An exception stands for a replica that failed. Calls that nobody waits for any more are cancelled.
    Raises EngineUnavailable where there are no replicas, or none that are known by then.
    """
    until = asyncio.get_running_loop().time() + within_s
    try:
        async with asyncio.timeout_at(until):
            results = await response._fetch_replica_results_async()
    except TimeoutError:
        raise EngineUnavailable("the engine's replicas do not answer") from None
    except DeploymentUnavailableError:
        raise EngineUnavailable("no replica of the engine is running") from None
    waiting = {asyncio.ensure_future(result.get_async()): result for result in results}
    try:
        while waiting:
            left_s = until - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for answer in done:
                del waiting[answer]
                yield answer.exception() or answer.result()
        for _ in waiting:
            yield Silence()
    finally:
        for answer, result in waiting.items():
            answer.cancel()
            result.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

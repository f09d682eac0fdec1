"""What the replicas of a deployment answer to a call of all of them, each by itself.

Serve would gather the answers. Then one replica that is full, and has the call wait for a place, holds up the
answers of all. To take them one by one reaches into Ray 2.60; a test fails when that changes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray.serve.exceptions import DeploymentUnavailableError

from deployments.core.errors import EngineUnavailable


class NoReply:
    """A replica has not answered in time."""


async def replies(response: Any, within_s: float) -> list[Any]:
    """Answers to a broadcast, an exception for each replica that failed, a `NoReply` for each that is late.

    Calls that nobody waits for any more are cancelled. Raises EngineUnavailable where there are no replicas,
    or none that are known in time.
    """
    until = asyncio.get_running_loop().time() + within_s
    try:
        async with asyncio.timeout_at(until):
            results = await response._fetch_replica_results_async()
    except TimeoutError:
        raise EngineUnavailable("the engine's replicas do not answer") from None
    except DeploymentUnavailableError:
        raise EngineUnavailable("no replica of the engine is running") from None
    asked = {asyncio.ensure_future(result.get_async()): result for result in results}
    try:
        await asyncio.wait(asked, timeout=until - asyncio.get_running_loop().time())
    finally:
        late = [answer for answer in asked if not answer.done()]
        for answer in late:
            answer.cancel()
            asked[answer].cancel()
        await asyncio.gather(*late, return_exceptions=True)
    in_time = [answer for answer in asked if answer not in late and not answer.cancelled()]
    return [answer.exception() or answer.result() for answer in in_time] + [NoReply() for _ in late]

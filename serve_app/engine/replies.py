"""Collects the replicas' answers to a broadcast one by one, until a deadline.

Serve itself returns all answers together, so one full replica, where the call waits for a slot, delays
them all. Collecting them one by one uses internals of Ray 2.60; a test fails when these change.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray.serve.exceptions import DeploymentUnavailableError

from deployments.core.errors import EngineUnavailable


class NoReply:
    """Stands for a replica that has not answered in time."""


async def replies(response: Any, within_s: float) -> list[Any]:
    """Waits up to `within_s` seconds; returns one entry for each replica, in no order.

    An entry is the answer, the exception if the call failed, or a `NoReply` if it was late. Cancels late
    calls. Raises EngineUnavailable if no replica runs, or if Serve does not name the replicas in time.
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

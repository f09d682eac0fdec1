"""Three engine replicas, called through the router of preferences: `preferences.py STATE_DIR PORT`.

Another deployment makes many calls from inside one request. Prints what it observed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.sampling import Sampling
from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.settings import Settings

settings = Settings.from_env({}, state_dir=sys.argv[1], http_port=int(sys.argv[2]))
prepare_environment(settings)

from ray import serve  # noqa: E402  it reads the environment
from ray.serve.config import RequestRouterConfig  # noqa: E402

from serve_app.engine.handle import EngineHandle  # noqa: E402
from serve_app.engine.preference_router import PreferenceRouter  # noqa: E402

REPLICAS = 3
AT_ONCE = 2


class Named:
    """Answers with the name of its replica."""

    def __init__(self) -> None:
        self._name = serve.get_replica_context().replica_id.unique_id

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        yield Delta(self._name, b"")
        await asyncio.sleep(request.sampling.max_tokens / 1000)

    async def describe(self) -> EngineInfo:
        return EngineInfo(self._name, 1, 32, 1)

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> dict[str, ResidencyUpdate]:
        return {salt: ResidencyUpdate(self._name, salt, None, len(of), b"", 0) for salt, of in known.items()}


class Asker:
    """Makes its calls from inside one request, many of them at once."""

    def __init__(self, engine: Any) -> None:
        self._engine = EngineHandle(engine)

    async def observed(self) -> dict[str, Any]:
        replicas: set[str] = set()
        while len(replicas) < REPLICAS:  # until Serve has told this process of all replicas
            updates = await self._engine.survey({"salt": ()})
            replicas = {one["salt"].replica for one in updates if one is not None}
            await asyncio.sleep(0.05)
        first, second, third = sorted(replicas)
        one_by_one = [await self._asked((name,), 0) for name in (third, first, second, third)]
        at_once = await asyncio.gather(*(self._asked((second, first, third), 300) for _ in range(5)))
        anywhere = await asyncio.gather(*(self._asked((), 0) for _ in range(20)))
        gone = await self._asked(("gone", third), 0)
        avoided = await self._asked((third, first), 0, avoid=(third,))
        await asyncio.gather(*(self._engine.describe() for _ in range(10)))
        filling = [asyncio.create_task(self._asked((first,), 3000)) for _ in range(AT_ONCE)]
        await asyncio.sleep(1)
        beside_full = await self._engine.survey({"salt": ()})
        others = (second, third) * AT_ONCE
        filling += [asyncio.create_task(self._asked((name,), 3000)) for name in others]
        await asyncio.sleep(0.5)
        await self._engine.ready()  # though all are full
        await asyncio.gather(*filling)
        return {
            "one by one": [(third, first, second, third).index(name) for name in one_by_one],
            "at once": sorted((second, first, third).index(name) for name in at_once),
            "anywhere": len(anywhere),
            "gone": gone == third,
            "avoided": avoided == first,
            "beside a full one": sorted(
                (second, third).index(one["salt"].replica) for one in beside_full if one is not None
            ),
            "too busy": beside_full.count(None),
        }

    async def _asked(self, replicas: tuple[str, ...], for_ms: int, avoid: tuple[str, ...] = ()) -> str:
        sampling = Sampling(for_ms, 0.0)
        request = GenerateRequest(RequestId("r"), b"", sampling, "s", 60, replicas=replicas, avoid=avoid)
        (delta,) = [delta async for delta in self._engine.generate(request)]
        return delta.text


def main() -> None:
    ensure_local_ray(settings)
    light = {"num_cpus": 0.1}
    router = RequestRouterConfig(request_router_class=PreferenceRouter)
    named = serve.deployment(Named).options(
        ray_actor_options=light,
        num_replicas=REPLICAS,
        max_ongoing_requests=AT_ONCE,
        request_router_config=router,
    )
    asker = serve.deployment(Asker).options(ray_actor_options=light)
    handle = serve.run(asker.bind(named.bind()), route_prefix=None)
    print(json.dumps(asyncio.run(observed(handle))), flush=True)


async def observed(handle: Any) -> dict[str, Any]:
    seen: dict[str, Any] = await asyncio.wait_for(handle.observed.remote(), 60)
    return seen


main()

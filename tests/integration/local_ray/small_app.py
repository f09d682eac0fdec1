"""Two tiny deployments on a local Ray, which call each other by value: `small_app.py STATE_DIR PORT`.

Prints one line of JSON when it serves, and then waits to be ended.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.settings import Settings

settings = Settings.from_env({}, state_dir=sys.argv[1], http_port=int(sys.argv[2]))
prepare_environment(settings)

import ray  # noqa: E402  it reads the environment
from ray import serve  # noqa: E402


class Greeting:
    async def word(self) -> str:
        return "hello"


class Front:
    def __init__(self, greeting: Any) -> None:
        # By value: over the replica's own gRPC server, as in Serve's throughput mode.
        self._greeting = greeting.options(_by_reference=False)

    async def __call__(self, _request: Any) -> str:
        return str(await self._greeting.word.remote())


def main() -> None:
    ensure_local_ray(settings)
    light = {"num_cpus": 0.1}
    greeting = serve.deployment(Greeting).options(ray_actor_options=light).bind()
    serve.run(serve.deployment(Front).options(ray_actor_options=light).bind(greeting))
    session = ray.get_runtime_context().gcs_address
    print(json.dumps({"gcs_address": session}), flush=True)
    signal.pause()


main()

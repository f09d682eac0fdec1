"""A chain of three deployments that do nothing: `empty_hops.py STATE_DIR PORT default|ours`.

`default` starts Serve with its defaults, `ours` as this application does. Prints a line when it is ready and
runs until it is ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

STATE_DIR, PORT, MODE = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

if MODE == "ours":
    from serve_app.local_ray import ensure_local_ray, prepare_environment
    from serve_app.settings import Settings

    settings = Settings.from_env({}, state_dir=STATE_DIR, http_port=PORT)
    prepare_environment(settings)
else:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

import ray  # noqa: E402  reads the environment when it is imported
from ray import serve  # noqa: E402


class Engine:
    """Answers at once."""

    async def word(self) -> bytes:
        return b"hello"

    async def words(self, count: int) -> AsyncGenerator[bytes, None]:
        for _ in range(count):
            yield b"hello"


class Agent:
    """Passes the engine's answer on."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._streaming = engine.options(stream=True)

    async def word(self) -> bytes:
        word: bytes = await self._engine.word.remote()
        return word

    async def words(self, count: int) -> AsyncGenerator[bytes, None]:
        async for word in self._streaming.words.remote(count):
            yield word


class Front:
    """Passes the agent's answer on over HTTP: `/` is one word, `/words?count=` a stream of words."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self._streaming = agent.options(stream=True)

    async def __call__(self, request: Request) -> Response:
        if request.url.path == "/words":
            count = int(request.query_params["count"])
            return StreamingResponse(self._words(count), media_type="text/event-stream")
        return Response(await self._agent.word.remote())

    async def _words(self, count: int) -> AsyncGenerator[bytes, None]:
        async for word in self._streaming.words.remote(count):
            yield b"data: " + word + b"\n\n"


def main() -> None:
    """Serves until the process is ended."""
    if MODE == "ours":
        ensure_local_ray(settings)
    else:
        ray.init(
            address="local",
            namespace="serve",
            include_dashboard=False,
            num_cpus=8,
            object_store_memory=200 * 2**20,
            _temp_dir=str(STATE_DIR),
        )
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    light = {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 200}
    engine = serve.deployment(Engine).options(**light).bind()
    agent = serve.deployment(Agent).options(**light).bind(engine)
    serve.run(serve.deployment(Front).options(**light).bind(agent))
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()

"""Two tiny deployments on a local Ray, which call each other: `small_app.py STATE_DIR PORT [on|off]`.

The last argument switches the fast path. Prints one line of JSON when it serves; runs until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.settings import Settings

settings = Settings.from_env(
    {}, state_dir=sys.argv[1], http_port=int(sys.argv[2]), fast_path=sys.argv[3:] != ["off"]
)
prepare_environment(settings)

import ray  # noqa: E402  it reads the environment
from ray import serve  # noqa: E402


class Greeting:
    def __init__(self) -> None:
        self._open = 0

    async def word(self) -> str:
        return "hello"

    async def size(self, body: bytes) -> int:
        return len(body)

    async def numbers(self) -> AsyncGenerator[int, None]:
        self._open += 1
        try:
            for number in range(100_000):
                yield number
                await asyncio.sleep(0.05)
        finally:
            self._open -= 1

    async def open(self) -> int:
        return self._open


class Front:
    def __init__(self, greeting: Any) -> None:
        self._greeting = greeting
        # By value: over the replica's own gRPC server, as in Serve's throughput mode.
        self._by_value = greeting.options(_by_reference=False)

    async def __call__(self, request: Request) -> Response:
        match request.url.path:
            case "/":
                return Response(await self._by_value.word.remote())
            case "/numbers":
                return StreamingResponse(self._numbers(), media_type="text/event-stream")
            case "/open":
                return JSONResponse(await self._greeting.open.remote())
            case "/size":
                return JSONResponse(await self._greeting.size.remote(await request.body()))
            case "/headers":
                return JSONResponse(dict(request.headers))
            case "/slow":
                await asyncio.sleep(1)
                return Response("slow")
            case "/pid":
                return JSONResponse(os.getpid())
            case "/die":
                os.kill(os.getpid(), signal.SIGKILL)
        return Response("no such path", 404, media_type="text/html")

    async def _numbers(self) -> AsyncGenerator[bytes, None]:
        response = self._greeting.options(stream=True).numbers.remote()
        try:
            async for number in response:
                yield f"data: {number}\n\n".encode()
        finally:
            response.cancel()


def main() -> None:
    ensure_local_ray(settings)
    light = {"num_cpus": 0.1}
    greeting = serve.deployment(Greeting).options(ray_actor_options=light).bind()
    serve.run(serve.deployment(Front).options(ray_actor_options=light).bind(greeting))
    session = ray.get_runtime_context().gcs_address
    print(json.dumps({"gcs_address": session}), flush=True)
    signal.pause()


main()

"""The graph of `tests.traced_graph` on a local Ray: `traced_app.py STATE_DIR PORT on|off`.

The last argument switches the fast path. Prints a line of JSON when it serves; runs until it is ended.
"""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import Any

from fastapi import FastAPI

from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.logs import serve_logging
from serve_app.settings import Settings

settings = Settings.from_env(
    {}, state_dir=sys.argv[1], http_port=int(sys.argv[2]), fast_path=sys.argv[3], log_format="json"
)
prepare_environment(settings)

from ray import serve  # noqa: E402  it reads the environment

from serve_app.wiring import deployed, prepare_process  # noqa: E402
from tests import traced_graph  # noqa: E402


class Front:
    def __init__(self, agent: Any) -> None:
        prepare_process("Front", settings)
        self._agent = agent

    def __serve_build_asgi_app__(self) -> FastAPI:
        return traced_graph.api_of(self._agent)


def main() -> None:
    ensure_local_ray(settings)
    light = {"ray_actor_options": {"num_cpus": 0.1}}
    engine = deployed(settings, "Engine", light, traced_graph.engine_services)
    library = deployed(settings, "Library", light, traced_graph.library_services)
    agent = deployed(settings, "Support", light, partial(traced_graph.agent_services, engine, library))
    front = serve.deployment(serve.ingress()(Front)).options(**light, logging_config=serve_logging(settings))
    serve.run(front.bind(agent))
    print("{}", flush=True)
    signal.pause()


main()

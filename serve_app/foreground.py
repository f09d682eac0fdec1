"""Runs the application in the foreground: starts it, says when it is ready, and ends all of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import RayServeException

from serve_app.building import build
from serve_app.local_ray import sessions_folder
from serve_app.ray_processes import RayWatch
from serve_app.settings import Settings

_PROBE_INTERVAL_S = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DRAINED_WITHIN_S = 20.0
"""How long requests in progress may take after SIGTERM. A spot instance is taken away 30 s after it; the
rest is for ending the processes."""
_DRAIN_ANSWERS_WITHIN_S = DRAINED_WITHIN_S + 2


class _Stopped(Exception):
    """A signal asked the application to end."""


def run(settings: Settings, report: Callable[[str], None], lost: Callable[[str], None]) -> None:
    """Serves until SIGINT, SIGTERM or SIGHUP, then finishes the requests in progress, for at most
    `DRAINED_WITHIN_S` seconds or until another signal, and ends everything that it started.

    `report` gets a line for each step. `lost` is called, in a thread, with the name of a server of Ray that
    has ended by itself. Raises ConfigurationError, and RuntimeError with the cause if a deployment cannot
    start.
    """
    watch: RayWatch | None = None
    try:
        report("Starting Ray")
        application = build({})
        watch = RayWatch(lost)
        _turn_signals_into_exceptions()  # after Ray has installed its own handlers
        report(f"Starting the application; logs: {_logs(settings)}")
        if not settings.engine_urls:
            report("The engine takes about half a minute")
        _deploy(application)
        url = _wait_until_ready(settings)
        report(_welcome(url))
        while True:
            signal.pause()
    except (_Stopped, KeyboardInterrupt):
        report("Stopping; another signal ends the requests in progress")
        with contextlib.suppress(_Stopped, KeyboardInterrupt):
            _finish_requests(settings, report)
    finally:
        if watch is not None:
            watch.stop()
        _end()


def _finish_requests(settings: Settings, report: Callable[[str], None]) -> None:
    if not _answers(f"{_url(settings)}/healthz"):
        return  # the ingress does not run yet
    try:
        left = asyncio.run(_drained())
    except (RayError, RayServeException, TimeoutError) as error:
        report(f"The requests in progress are not finished: {type(error).__name__}")
        return
    if left:
        report(f"{left} requests were not finished within {DRAINED_WITHIN_S:.0f} s")


async def _drained() -> int:
    """Makes the ingress refuse new requests and finish the others, then ends Serve, which has to happen in
    the event loop of the call. Returns how many requests were not finished.
    """
    try:
        response = serve.get_app_handle("default").broadcast("drain", DRAINED_WITHIN_S)
        async with asyncio.timeout(_DRAIN_ANSWERS_WITHIN_S):
            replies = await response.results_async(return_exceptions=True)
    finally:
        with _quietly():
            await serve.shutdown_async()
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    left: int = sum(replies)
    return left


def _deploy(application: Application) -> None:
    """Returns when every replica runs. Raises RuntimeError with the messages of those that failed."""
    try:
        serve.run(application)
    except RuntimeError as error:
        reasons = [
            f"{name}: {deployment.message}"
            for state in serve.status().applications.values()
            for name, deployment in state.deployments.items()
            if deployment.status in {"DEPLOY_FAILED", "UNHEALTHY"}
        ]
        raise RuntimeError("\n".join([str(error), *reasons])) from error


def _end() -> None:
    for number in _SIGNALS:  # one more would break off the shutdown, and leave processes
        signal.signal(number, signal.SIG_IGN)
    if ray.is_initialized():
        with _quietly():
            serve.shutdown()
            ray.shutdown()


def _quietly() -> contextlib.AbstractContextManager[object]:
    """Ray would print actors that are ended as failed."""
    return contextlib.redirect_stdout(io.StringIO())


def _logs(settings: Settings) -> Path:
    session: str = ray.get_runtime_context().get_session_name()
    return sessions_folder(settings) / session / "logs" / "serve"


def _turn_signals_into_exceptions() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)


def _wait_until_ready(settings: Settings) -> str:
    """Waits until /readyz answers 200, without a limit; returns the application's URL."""
    url = _url(settings)
    while not _answers(f"{url}/readyz"):
        time.sleep(_PROBE_INTERVAL_S)
    return url


def _url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.http_host, settings.http_host)  # noqa: S104
    return f"http://{host}:{settings.http_port}"


def _answers(url: str) -> bool:
    """Whether a request is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _welcome(url: str) -> str:
    return f"""
Warmline is ready: {url}   (API: {url}/docs, Ctrl-C stops it)

Ask it something, twice:

  curl -s {url}/v1/support/answer -H 'content-type: application/json' \\
    -d '{{"query": "How do I reset my password?"}}'
"""

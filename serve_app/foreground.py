"""Runs the application in the foreground: starts it, says when it is ready, and ends all of it."""

from __future__ import annotations

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
from ray.serve import Application

from serve_app.building import build
from serve_app.local_ray import sessions_folder
from serve_app.settings import Settings

_PROBE_INTERVAL_S = 0.5


class _Stopped(Exception):
    """A signal asked the application to end."""


def run(settings: Settings, report: Callable[[str], None]) -> None:
    """Serves until SIGINT, SIGTERM or SIGHUP, then ends everything that it started.

    `report` gets a line for each step. Raises ConfigurationError, and RuntimeError with the cause if a
    deployment cannot start.
    """
    try:
        report("Starting Ray")
        application = build({})
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
        report("Stopping")
    finally:
        _end()


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
    if ray.is_initialized():
        with contextlib.redirect_stdout(io.StringIO()):  # Ray would print actors that it ends as failed
            serve.shutdown()
            ray.shutdown()


def _logs(settings: Settings) -> Path:
    session: str = ray.get_runtime_context().get_session_name()
    return sessions_folder(settings) / session / "logs" / "serve"


def _turn_signals_into_exceptions() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)


def _wait_until_ready(settings: Settings) -> str:
    """Waits until /readyz answers 200, without a limit; returns the application's URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.http_host, settings.http_host)  # noqa: S104
    url = f"http://{host}:{settings.http_port}"
    while not _is_ready(url):
        time.sleep(_PROBE_INTERVAL_S)
    return url


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as response:  # noqa: S310
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

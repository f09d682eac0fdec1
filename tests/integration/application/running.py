"""The whole application in a process of its own, as a user starts it, and calls of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.listeners import family

ROOT = Path(__file__).parents[3]
_START_TIMEOUT_S = 500
_TOKEN = "5" * 64


@dataclass(frozen=True)
class Application:
    """A running application. `http` has its base URL, `environ` the variables it was started with."""

    process: subprocess.Popen[bytes]
    state_dir: Path
    http: httpx.Client
    environ: Mapping[str, str]

    def ask(self, query: str, tenant: str = "default", **fields: Any) -> dict[str, Any]:
        """An answer with its ids; greedy and short unless `fields` say otherwise."""
        body = {"query": query, "max_tokens": 8, "temperature": 0, "return_token_ids": True} | fields
        response = self.http.post("/v1/support/answer", json=body, headers={"x-business-id": tenant})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def put(self, doc_id: str, content: str, tenant: str = "default") -> dict[str, Any]:
        """Stores a Markdown document in the support collection."""
        response = self.http.put(
            f"/v1/collections/support_kb/documents/{doc_id}",
            json={"title": doc_id, "content": content},
            headers={"x-business-id": tenant},
        )
        assert response.status_code == 200, response.text
        ingested: dict[str, Any] = response.json()
        return ingested

    def engine_counters(self) -> dict[str, Any]:
        """The engine's own counters, asked over a Serve handle by another process."""
        raylet, *_ = self.pids("--gcs-address=")
        command = Path(f"/proc/{raylet}/cmdline").read_text()
        address = command.partition("--gcs-address=")[2].partition("\0")[0]
        code = (
            "from serve_app.local_ray import prepare_environment; from serve_app.settings import Settings\n"
            # Only a handle of Serve's default mode has `result()`, whatever mode the application uses.
            "prepare_environment(Settings.from_env({}, fast_path=False))\n"
            "import ray, json, dataclasses; from ray import serve\n"
            f"ray.init({address!r}, namespace='serve', log_to_driver=False)\n"
            "handle = serve.get_deployment_handle('Engine', 'default')\n"
            "print(json.dumps(dataclasses.asdict(handle.counters.remote().result())))"
        )
        environ = {**os.environ, **_ray_environment()}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        counters: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return counters

    def pids(self, needle: str) -> list[int]:
        """This application's processes with `needle` in their command lines, Redis's included."""
        every = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
        return [
            pid for pid in every if needle in (words := command_line(pid)) and str(self.state_dir) in words
        ]

    def kill(self, needle: str) -> None:
        """Kills this application's processes with `needle` in their command lines, which Ray and vLLM set
        for theirs. Raises AssertionError if there are none.
        """
        members = family(self.process.pid) | set(self.pids(needle))
        killed = [pid for pid in members if needle in command_line(pid)]
        assert killed, f"no process has {needle!r} in its command line"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def running_application(state_dir: Path, model_dir: Path, **settings: str) -> Iterator[Application]:
    """Starts the application, waits until it is ready, and ends it."""
    port = _free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WARMLINE_")},
        **_ray_environment(),
        "WARMLINE_STATE_DIR": str(state_dir),
        "WARMLINE_MODEL_DIR": str(model_dir),
        "WARMLINE_HTTP_PORT": str(port),
        "WARMLINE_MODEL": "smollm2-135m",
        "WARMLINE_REDIS_TIMEOUT_MS": "1000",  # a busy machine must not look like a cache that is down
        **settings,
    }
    log = state_dir / "application.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from serve_app.cli import main; main()", "serve"],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            until(lambda: process.poll() is not None or _ready(http), _START_TIMEOUT_S, log.read_text)
            assert process.poll() is None, log.read_text()
            yield Application(process, state_dir, http, environ)
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            for pid in members:
                if Path("/proc", str(pid)).exists() and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """The command line of a process; "" if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def until(condition: Callable[[], bool], timeout_s: float, what: Callable[[], str] | str) -> None:
    """Waits for a condition, and fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what if isinstance(what, str) else what())
        time.sleep(0.1)


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _ray_environment() -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

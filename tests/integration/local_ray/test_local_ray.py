"""A local Ray is reachable by this user on this machine only, and ends with its owner: in both modes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.local_ray.running import AGENTS, Running, command, local_app, within
from tests.listeners import family, listening_sockets, runs


@pytest.fixture(scope="module", params=["on", "off"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With Serve's fast path, and without."""
    with local_app("small_app", tmp_path_factory.mktemp("state"), request.param) as running:
        yield running


def test_it_serves(running: Running) -> None:
    """Otherwise there would be no listeners to look at."""
    assert running.http.get("/").text == "hello"


def test_every_listener_is_on_loopback_or_private(running: Running) -> None:
    """GCS, raylet, agents, proxies, and the replicas' own servers, which take pickles."""
    listeners = listening_sockets(running.process.pid)
    commands = {listener.command for listener in listeners}
    assert {"gcs_server", "raylet"} <= commands
    assert ("haproxy" in commands) == running.fast_path
    assert any(command.startswith("ray::ServeRepli") for command in commands)
    assert [listener for listener in listeners if not listener.is_private] == []


def test_a_stream_arrives_while_it_is_made_and_ends_with_its_reader(running: Running) -> None:
    """An endless stream would never arrive if a proxy collected it first."""
    with running.http.stream("GET", "/numbers") as response:
        lines = response.iter_lines()
        assert [next(lines), next(lines), next(lines)] == ["data: 0", "", "data: 1"]
        assert running.http.get("/open").json() == 1
    assert within(10, lambda: running.http.get("/open").json() == 0)


def test_a_clients_headers_do_not_change_when_a_request_ends(running: Running) -> None:
    """Serve itself would end it after 0.1 s, and let it run on after its client has gone."""
    headers = {"x-request-timeout-seconds": "0.1", "x-request-disconnect-disabled": "?1"}
    assert running.http.get("/slow", headers=headers).text == "slow"
    with running.http.stream("GET", "/numbers", headers=headers) as response:
        next(response.iter_lines())
    assert within(10, lambda: running.http.get("/open").json() == 0)


def test_a_large_body_goes_from_replica_to_replica(running: Running) -> None:
    """gRPC's own limit is 4 MiB."""
    assert running.http.post("/size", content=b" " * 10 * 2**20).json() == 10 * 2**20


def test_when_a_replica_dies_its_client_gets_an_error_of_ours(running: Running) -> None:
    """Also on a connection that was used before, and until Serve knows the next replica."""
    assert running.http.get("/").text == "hello"
    response, until_s = running.http.get("/die"), time.monotonic() + 10
    assert response.status_code == 503
    while response.status_code == 503 and time.monotonic() < until_s:
        assert response.json()["error"]["code"] == "unavailable"
        response = running.http.get("/")
    assert response.text == "hello"


def test_another_user_without_the_token_is_refused(running: Running) -> None:
    """Loopback is shared by all users of the machine; Ray's own servers want the token."""
    environ = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    code = f"from ray._raylet import GcsClient; GcsClient(address={running.facts['gcs_address']!r})"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE, text=True
    ) as stranger:
        assert stranger.stderr
        refused = any("InvalidAuthToken" in line for line in stranger.stderr)
        stranger.kill()  # it would retry for ever
    assert refused


@pytest.mark.parametrize("running", ["on"], indirect=True)
def test_two_applications_on_one_machine_keep_apart(running: Running, tmp_path: Path) -> None:
    """Serve's fast path has fixed ports and one folder for all of them."""
    with local_app("small_app", tmp_path, "on") as other:
        pids = {app.http.get("/pid").json() for app in (running, other)}
        first, second = (
            {(listener.address, listener.port) for listener in listening_sockets(app.process.pid)}
            for app in (running, other)
        )
        assert len(pids) == 2
        assert first & second == set()


@pytest.mark.parametrize("running", ["on"], indirect=True)
def test_haproxy_is_started_again_at_once(running: Running) -> None:
    """Twice, because the second one was not started by Serve; then a reload still works."""
    for _ in range(2):
        for haproxy in _named(running, "haproxy"):
            os.kill(haproxy, signal.SIGKILL)
        killed_s = time.monotonic()
        assert within(30, lambda: _answers(running))
        assert time.monotonic() - killed_s < 3
    running.http.get("/die")  # Serve tells HAProxy about the next replica by a reload
    assert within(30, lambda: _answers(running))


@pytest.mark.parametrize("running", ["on"], indirect=True)
def test_haproxy_ends_with_its_manager_and_the_next_one_serves(running: Running) -> None:
    """If it outlived its manager, it would keep the port and forward to replicas that have ended. The next
    one comes from a controller that was started again, too.
    """
    for controller in _named(running, "ray::ServeContr"):
        os.kill(controller, signal.SIGKILL)
    assert within(60, lambda: _has_controller(running))
    haproxies, managers = (_named(running, command) for command in ("haproxy", "ray::HAProxyKee"))
    assert haproxies  # the current one, and earlier ones that still have connections
    for manager in managers:
        os.kill(manager, signal.SIGKILL)
    assert within(5, lambda: not any(map(runs, haproxies)))
    assert within(60, lambda: _answers(running))


def test_killing_the_owner_ends_what_it_served(running: Running) -> None:
    """Even `kill -9`, which leaves the owner no time to clean up; HAProxy is one of them."""
    pids = {pid for pid in family(running.process.pid) if not command(pid).startswith(AGENTS)}
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert within(30, lambda: not any(map(runs, pids)))


def _has_controller(running: Running) -> bool:
    return bool(_named(running, "ray::ServeContr"))


def _named(running: Running, name: str) -> list[int]:
    """Processes of that name, or of its first 15 letters, which are what Linux keeps."""
    return [pid for pid in family(running.process.pid) if command(pid).startswith(name)]


def _answers(running: Running) -> bool:
    try:
        return running.http.get("/").text == "hello"
    except httpx.TransportError:
        return False

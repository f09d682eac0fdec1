"""What REDIS_URL says: which servers there are, and in which topology. Its scheme decides.

    redis://user:password@host:6379/0                                  one server
    rediss://...?ssl_ca_certs=/path/ca.pem                             one server, with TLS
    unix:///path/to/socket                                             one server on this host
    redis+sentinel://user:password@host:26379,host:26379/mymaster/0    the master that Sentinels name
    redis+cluster://user:password@host:6379,host:6379                  a Redis Cluster, found through any node

`rediss+sentinel://` and `rediss+cluster://` use TLS for every connection. User and password are those of the
Redis servers; `?sentinel_username=...&sentinel_password=...` are those of the Sentinels. All other options of
the query are redis-py's. A cluster's servers and a master are reached under the addresses that the cluster or
the Sentinels tell: with TLS, certificates must be valid for these (or `?ssl_check_hostname=false`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

Node: TypeAlias = tuple[str, int]
"""Host and port of a server."""


class Topology(Enum):
    """How the servers belong together."""

    SERVER = "one server"
    SENTINEL = "Sentinel"
    CLUSTER = "Redis Cluster"


_TOPOLOGIES = {
    "redis": Topology.SERVER,
    "rediss": Topology.SERVER,
    "unix": Topology.SERVER,
    "redis+sentinel": Topology.SENTINEL,
    "rediss+sentinel": Topology.SENTINEL,
    "redis+cluster": Topology.CLUSTER,
    "rediss+cluster": Topology.CLUSTER,
}
SCHEMES = tuple(f"{scheme}://" for scheme in _TOPOLOGIES)
"""How a URL may begin."""
_HOSTS_FORM = "must have hosts in the form host:port,host:port"
_PORTS = {Topology.SENTINEL: 26379, Topology.CLUSTER: 6379}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The servers that a URL names."""

    topology: Topology
    nodes: Sequence[Node]
    """The Sentinels, or some nodes of the cluster; empty for one server."""
    master: str
    """What the Sentinels call the group of servers; "" without Sentinels."""
    plain_url: str = field(repr=False)
    """The URL in a form that redis-py reads, with the first host: redis://, rediss:// or unix://."""

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Reads a URL. Raises ValueError, whose message quotes no part of the URL: it may hold a password."""
        scheme, _, rest = url.partition("://")
        topology = _TOPOLOGIES.get(scheme)
        if topology is None:
            raise ValueError(f"must start with one of {', '.join(SCHEMES)}")
        if topology is Topology.SERVER:
            return cls(topology, (), "", url)
        parts = _split(rest)
        user, at, hosts = parts.netloc.rpartition("@")
        nodes = [_node(host, _PORTS[topology]) for host in hosts.split(",")]
        master, database = _path(topology, parts)
        plain = f"{scheme.partition('+')[0]}://{user}{at}{hosts.partition(',')[0]}/{database}?{parts.query}"
        return cls(topology, nodes, master, plain)

    def sentinels(self) -> list[str]:
        """The URL of each Sentinel, to ask it alone; none in other topologies."""
        if self.topology is not Topology.SENTINEL:
            return []
        parts = urlsplit(self.plain_url)
        options = dict(parse_qsl(parts.query))
        user, word = (quote(options.pop(f"sentinel_{name}", ""), "") for name in ("username", "password"))
        query = urlencode(options)
        return [f"{parts.scheme}://{user}:{word}@{_joined(node)}?{query}" for node in self.nodes]


def _split(after_scheme: str) -> SplitResult:
    """Raises ValueError, without the message of urllib's, which may quote the password."""
    try:
        return urlsplit(f"//{after_scheme}")
    except ValueError:
        raise ValueError(_HOSTS_FORM) from None


def _node(host_and_port: str, default_port: int) -> Node:
    parts = _split(host_and_port)
    try:
        host, port = parts.hostname, parts.port or default_port
    except ValueError:
        raise ValueError(_HOSTS_FORM) from None
    if not host:
        raise ValueError(_HOSTS_FORM)
    return unquote(host), port


def _joined(node: Node) -> str:
    host, port = node
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _path(topology: Topology, parts: SplitResult) -> tuple[str, int]:
    """The name of a Sentinel group, and the number of the database."""
    first, *more = [unquote(part) for part in parts.path.removeprefix("/").removesuffix("/").split("/")]
    if topology is Topology.CLUSTER:
        if first not in ("", "0") or more:
            raise ValueError("must not name a database: a Redis Cluster has only the database 0")
        return "", 0
    if not first or len(more) > 1 or not all(number.isdecimal() for number in more):
        raise ValueError("must end with the name of the Sentinel group: redis+sentinel://host:port/name/0")
    return first, int(more[0]) if more else 0

"""The slots of a Redis Cluster: which server has the key of a command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from deployments.redis.address import Node
from deployments.redis.replies import Command

_KEYLESS = ("PING", "TIME")
"""Commands that any server may answer."""
_OF_SHARDS = ("INFO", "SCAN", "CLUSTER")
"""Commands that each server answers for its own keys."""


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The servers of a cluster by slots."""

    owners: Sequence[Node | None]
    """The primary of each slot; None where there is none."""
    nodes: Sequence[Node]
    """All servers, replicas included."""

    @classmethod
    def parse(cls, reply: Any, asked_host: str) -> SlotMap:
        """Reads the reply to CLUSTER SLOTS. A server without a host has the host that was asked.

        Raises ValueError or TypeError on any other reply.
        """
        owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes: dict[Node, None] = {}
        for first, last, *servers in reply:
            if not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
                raise ValueError(f"no slots: {first} to {last}")
            found = [((host or b"").decode() or asked_host, int(port)) for host, port, *_ in servers]
            primary, *_replicas = found
            owners[first : last + 1] = [primary] * (last + 1 - first)
            nodes |= dict.fromkeys(found)
        return cls(owners, list(nodes))

    @property
    def primaries(self) -> list[Node]:
        """The servers that have slots."""
        return [node for node in dict.fromkeys(self.owners) if node is not None]

    def routes(self, commands: Sequence[Command]) -> dict[Node, list[int]]:
        """The numbers of the commands for each server; a command whose slot has no server is left out.

        A command without a key goes where the first one with a key goes.
        """
        keys = [_key(command) for command in commands]
        first = next((key for key in keys if key is not None), b"")
        numbers_of: dict[Node, list[int]] = defaultdict(list)
        for number, key in enumerate(keys):
            owner = self.owners[key_slot(first if key is None else key)]
            if owner is not None:
                numbers_of[owner].append(number)
        return numbers_of


def _key(command: Command) -> bytes | None:
    """The key of a command; None if any server may answer it. Scripts keep their keys in one slot."""
    name = command[0]
    if name in _KEYLESS:
        return None
    if name in _OF_SHARDS:
        raise ValueError(f"{name!r} has no key: each of the link's shards() needs the command")
    key = command[3 if name == "EVAL" else 1]
    return key if isinstance(key, bytes) else str(key).encode()

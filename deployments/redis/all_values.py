"""Reads everything that the application has in Redis, for those who look for a text in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, expect
from deployments.redis.walking import walk

ALL_NAMES = "warmline:*"
_READS: Mapping[bytes, tuple[str, tuple[int, ...]]] = {
    b"string": ("GET", ()),
    b"hash": ("HGETALL", ()),
    b"zset": ("ZRANGE", (0, -1)),
    b"list": ("LRANGE", (0, -1)),
    b"set": ("SMEMBERS", ()),
}
"""How a key of each type is read."""


async def every_value(link: RedisLink) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
    """Yields each key with its values, by field or position; "" for a string. Raises CacheUnavailable."""
    async for names in walk(link, ALL_NAMES):
        for name in set(names):
            (kind,) = await link.call(("TYPE", name))
            command, bounds = _READS.get(expect(bytes, kind), ("GET", ()))
            read: Command = (command, name, *bounds)
            (reply,) = await link.call(read)
            if reply is not None and reply is not WRONG_TYPE:
                yield name.decode(errors="replace"), _by_field(command, reply)


def _by_field(command: str, reply: object) -> dict[str, bytes]:
    if command == "GET":
        return {"": expect(bytes, reply)}
    if isinstance(reply, dict):
        return {_text(field): expect(bytes, value) for field, value in reply.items()}
    values = [one if isinstance(one, bytes) else str(one).encode() for one in _items(reply)]
    if command == "HGETALL":
        return {_text(field): value for field, value in zip(values[::2], values[1::2], strict=True)}
    return {str(number): value for number, value in enumerate(values)}


def _items(reply: object) -> list[object]:
    return list(reply) if isinstance(reply, list | tuple | set) else [reply]


def _text(raw: object) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)

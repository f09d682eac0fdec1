"""Paths of segments: how a prompt begins. Their names, which tell no text, cross from replica to replica."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType

from deployments.core.ids import SegmentKey
from deployments.core.token_ids import TokenIds, to_bytes

SegmentId = NewType("SegmentId", int)
"""64 bits that name a segment. Two that met in one would only be ordered badly: ids are joined by key."""
NodeId = NewType("NodeId", int)
"""64 bits that name a path: a segment behind its predecessors."""
ROOT = NodeId(0)


class Step(NamedTuple):
    """One segment of a prompt and its length in tokens."""

    segment: SegmentId
    tokens: int


GONE = 2**64 - 1


class Change(NamedTuple):
    """A path's new state: prompts that begin with it find their first `cached_to` tokens resident.

    GONE says that nothing of the path's own is resident any more, or that what stands before it is not.
    """

    node: NodeId
    parent: NodeId
    segment: SegmentId
    cached_to: int


@dataclass(frozen=True, slots=True)
class Known:
    """How far a reader knows the tree of one tenant in one replica."""

    replica: str
    epoch: str
    version: int


@dataclass(frozen=True, slots=True)
class ResidencyUpdate:
    """What has changed in one tenant's tree in one replica since `since`, up to `version`.

    `since` None: `changes` (see `pack_changes`) is the whole tree. `epoch` changes with each start of an
    engine. `pending_tokens` are the prompt tokens, of all tenants, that wait to be prefilled there.
    `estimated` says that the engine's events are lost and the tree is computed from what was served.
    """

    replica: str
    epoch: str
    since: int | None
    version: int
    changes: bytes
    pending_tokens: int
    estimated: bool = False


def segment_id(key: SegmentKey) -> SegmentId:
    """The name of a document segment by its content address."""
    return SegmentId(int(key[:16], 16))


def ids_segment(ids: TokenIds) -> SegmentId:
    """The name of a piece of prompt by its ids, as of what opens all of an agent's prompts."""
    return SegmentId(_digest(to_bytes(ids)))


def node_id(parent: NodeId, segment: SegmentId) -> NodeId:
    """The name of the path that continues `parent` with `segment`."""
    return NodeId(_digest(struct.pack("<QQ", parent, segment)) or 1)


def _digest(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def pack_steps(steps: Sequence[Step]) -> bytes:
    """A prompt's layout as raw 64-bit words, since calls between deployments are pickled."""
    return _packed(word for step in steps for word in step)


def unpack_steps(raw: bytes) -> list[Step]:
    """The inverse. Raises ValueError on a length that fits no steps."""
    return [Step(SegmentId(segment), tokens) for segment, tokens in _rows(raw, 2)]


def pack_changes(changes: Iterable[Change]) -> bytes:
    """Changes as raw 64-bit words."""
    return _packed(word for change in changes for word in change)


def unpack_changes(raw: bytes) -> Iterator[Change]:
    """The inverse. Raises ValueError on a length that fits no changes."""
    for node, parent, segment, cached_to in _rows(raw, 4):
        yield Change(NodeId(node), NodeId(parent), SegmentId(segment), cached_to)


def _packed(words: Iterable[int]) -> bytes:
    return array("Q", words).tobytes()


def _rows(raw: bytes, width: int) -> Iterator[tuple[int, ...]]:
    words = array("Q")
    words.frombytes(raw)
    if len(words) % width:
        raise ValueError(f"{len(raw)} bytes are no rows of {width} words")
    return zip(*(iter(words),) * width, strict=True)

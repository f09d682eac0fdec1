"""Paths of segments. A path is the sequence of segments that a prompt begins with.

Segments and paths have 64-bit names made by hashing: they travel between replicas and reveal no text.
"""

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
"""64 bits that name a segment. A collision only costs reuse: token ids are joined by `SegmentKey`."""
NodeId = NewType("NodeId", int)
"""64 bits that name a path: a segment after all its predecessors."""
ROOT = NodeId(0)


class Step(NamedTuple):
    """One segment of a prompt."""

    segment: SegmentId
    tokens: int
    """Its length."""


GONE = 2**64 - 1
"""As `Change.cached_to`: no block of this path is resident, or one before it is missing."""


class Change(NamedTuple):
    """A path's new state."""

    node: NodeId
    """The path."""
    parent: NodeId
    """The path without its last segment."""
    segment: SegmentId
    """The last segment."""
    cached_to: int
    """How many leading tokens of a prompt that begins with this path are resident; or GONE."""
    loaded: int = 0
    """Of these, tokens of the last segment that only host memory holds: the engine has to load them."""


@dataclass(frozen=True, slots=True)
class Known:
    """The version up to which a reader knows one tenant's tree in one replica."""

    replica: str
    epoch: str
    """That of `ResidencyUpdate`: versions of different epochs cannot be compared."""
    version: int


@dataclass(frozen=True, slots=True)
class ResidencyUpdate:
    """What changed in one tenant's tree in one replica between two versions."""

    replica: str
    epoch: str
    """Differs for each start of an engine and for each tree that is started again from nothing."""
    since: int | None
    """The version before the changes; None if `changes` is the whole tree."""
    version: int
    """The version after the changes."""
    changes: bytes
    """`Change`s in the order in which to apply them, as `pack_changes` writes them."""
    pending_tokens: int
    """Prompt tokens, of all tenants, that wait in the replica to be prefilled."""
    estimated: bool = False
    """Whether KV events are missing, so that the tree is computed from the prompts served."""


def segment_id(key: SegmentKey) -> SegmentId:
    """The name of a document segment by its content address."""
    return SegmentId(int(key[:16], 16))


def ids_segment(ids: TokenIds) -> SegmentId:
    """The name of a piece of prompt by its ids, such as the head of an agent's prompts."""
    return SegmentId(_digest(to_bytes(ids)))


def node_id(parent: NodeId, segment: SegmentId) -> NodeId:
    """The name of the path that continues `parent` with `segment`."""
    return NodeId(_digest(struct.pack("<QQ", parent, segment)) or 1)


def _digest(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def pack_steps(steps: Sequence[Step]) -> bytes:
    """A prompt's layout as raw 64-bit words, which pickle faster than objects."""
    return _packed(word for step in steps for word in step)


def unpack_steps(raw: bytes) -> list[Step]:
    """The inverse of `pack_steps`. Raises ValueError if the length is no whole number of steps."""
    return [Step(SegmentId(segment), tokens) for segment, tokens in _rows(raw, 2)]


def pack_changes(changes: Iterable[Change]) -> bytes:
    """Changes as raw 64-bit words."""
    return _packed(word for change in changes for word in change)


def unpack_changes(raw: bytes) -> Iterator[Change]:
    """The inverse of `pack_changes`. Raises ValueError if the length is no whole number of changes."""
    for node, parent, segment, cached_to, loaded in _rows(raw, 5):
        yield Change(NodeId(node), NodeId(parent), SegmentId(segment), cached_to, loaded)


def _packed(words: Iterable[int]) -> bytes:
    return array("Q", words).tobytes()


def _rows(raw: bytes, width: int) -> Iterator[tuple[int, ...]]:
    words = array("Q")
    words.frombytes(raw)
    if len(words) % width:
        raise ValueError(f"{len(raw)} bytes are not rows of {width} words")
    return zip(*(iter(words),) * width, strict=True)

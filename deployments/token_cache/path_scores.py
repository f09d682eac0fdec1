"""How hot a path of segments is, and how it is named in a sorted set. Pure.

A use weighs twice as much as one a half-life earlier. Instead of letting old scores fade, new ones grow:
scores only ever add up, and compare rightly at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.core.ids import SegmentKey

PATH_SEGMENTS = 8
"""Segments of a path that count; what comes behind is seldom shared."""
KEPT_PATHS = 256
"""Paths of a scope that survive a trim."""
KEPT_SCOPES = 512
"""Scopes that survive a trim; with all their paths about 40 MB."""
HALF_LIFE_S = 7 * 86_400.0
LANDMARK_UNIX_S = 1_767_225_600.0
"""2026-01-01. Scores reach the largest float after 1,023 half-lives, in 2045."""
_MAX_HALF_LIVES = 1000.0


def weight(now_unix_s: float) -> float:
    """What a use adds to its path's score."""
    half_lives = (now_unix_s - LANDMARK_UNIX_S) / HALF_LIFE_S
    return float(2.0 ** max(-_MAX_HALF_LIVES, min(half_lives, _MAX_HALF_LIVES)))


def pack_path(keys: Sequence[SegmentKey]) -> bytes:
    """A path's name: the length of a key in bytes, then its first keys. Raises ValueError on none."""
    raw = [bytes.fromhex(key) for key in keys[:PATH_SEGMENTS]]
    sizes = set(map(len, raw))
    if len(sizes) != 1:
        raise ValueError("a path has segments, and their keys are of one length")
    return bytes([sizes.pop()]) + b"".join(raw)


def unpack_path(name: bytes) -> tuple[SegmentKey, ...] | None:
    """The inverse; None for what is no path."""
    size, keys = (name[0], name[1:]) if name else (0, b"")
    if not size or not keys or len(keys) % size or len(keys) // size > PATH_SEGMENTS:
        return None
    return tuple(SegmentKey(keys[at : at + size].hex()) for at in range(0, len(keys), size))


def inherited(name: bytes, successors: Mapping[SegmentKey, SegmentKey]) -> bytes | None:
    """The path's name with successors in the places of segments that are no more; None where it has none."""
    keys = unpack_path(name) or ()
    heirs = tuple(successors.get(key, key) for key in keys)
    return pack_path(heirs) if heirs != keys else None

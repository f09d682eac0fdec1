"""Scores of paths of segments, and their names in a sorted set. Pure functions.

A use counts twice as much as a use one half-life earlier. Stored scores never decay; new uses add more
instead. So updating a score is one addition, and scores can be compared at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.core.ids import SegmentKey

PATH_SEGMENTS = 8
"""Segments of a path that count. Prompts seldom share those after them."""
KEPT_PATHS = 256
"""Paths of a scope that survive a trim."""
KEPT_SCOPES = 512
"""Scopes that survive a trim. With all their paths they take about 40 MB."""
HALF_LIFE_S = 7 * 86_400.0
REFERENCE_UNIX_S = 1_767_225_600.0
"""2026-01-01, when a use scores 1. Scores reach the largest float after 1,023 half-lives, in 2045."""
_MAX_HALF_LIVES = 1000.0


def weight(now_unix_s: float) -> float:
    """Returns what a use now adds to its path's score."""
    half_lives = (now_unix_s - REFERENCE_UNIX_S) / HALF_LIFE_S
    return float(2.0 ** max(-_MAX_HALF_LIVES, min(half_lives, _MAX_HALF_LIVES)))


def pack_path(keys: Sequence[SegmentKey]) -> bytes:
    """Returns a path's name: one byte with the length of a key, then the first PATH_SEGMENTS keys.

    Raises ValueError when there are no keys, or keys of different lengths.
    """
    raw = [bytes.fromhex(key) for key in keys[:PATH_SEGMENTS]]
    sizes = set(map(len, raw))
    if len(sizes) != 1:
        raise ValueError("a path has segments, and all keys have the same length")
    return bytes([sizes.pop()]) + b"".join(raw)


def unpack_path(name: bytes) -> tuple[SegmentKey, ...] | None:
    """The inverse of `pack_path`; None if `name` is not a path's name."""
    size, keys = (name[0], name[1:]) if name else (0, b"")
    if not size or not keys or len(keys) % size or len(keys) // size > PATH_SEGMENTS:
        return None
    return tuple(SegmentKey(keys[at : at + size].hex()) for at in range(0, len(keys), size))


def renamed_path(name: bytes, successors: Mapping[SegmentKey, SegmentKey]) -> bytes | None:
    """Returns the path's name with segments replaced by their successors; None if nothing changes."""
    keys = unpack_path(name) or ()
    new_keys = tuple(successors.get(key, key) for key in keys)
    return pack_path(new_keys) if new_keys != keys else None

"""Names of paths, and the weights of their uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import SegmentKey
from deployments.token_cache.path_scores import (
    HALF_LIFE_S,
    PATH_SEGMENTS,
    REFERENCE_UNIX_S,
    pack_path,
    unpack_path,
    weight,
)

keys = st.integers(1, 40).flatmap(
    lambda size: st.lists(
        st.binary(min_size=size, max_size=size).map(lambda raw: SegmentKey(raw.hex())),
        min_size=1,
        max_size=12,
    )
)


@given(keys)
def test_a_name_is_its_paths_first_segments(path: list[SegmentKey]) -> None:
    assert unpack_path(pack_path(path)) == tuple(path[:PATH_SEGMENTS])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_path_or_none(raw: bytes) -> None:
    path = unpack_path(raw)
    assert path is None or pack_path(path) == raw


@pytest.mark.parametrize("path", [[], [SegmentKey("00"), SegmentKey("0000")]])
def test_keys_that_are_no_path_have_no_name(path: list[SegmentKey]) -> None:
    with pytest.raises(ValueError, match="a path has segments"):
        pack_path(path)


@given(st.floats(0, 4e9), st.integers(1, 50))
def test_a_use_weighs_double_a_half_life_later(now: float, lives: int) -> None:
    later = now + lives * HALF_LIFE_S
    if abs(later - REFERENCE_UNIX_S) < 900 * HALF_LIFE_S:
        assert weight(later) / weight(now) == pytest.approx(2.0**lives)

"""Names of segments and paths, and their packed forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import SegmentKey
from deployments.core.reuse.paths import (
    GONE,
    ROOT,
    Change,
    NodeId,
    SegmentId,
    Step,
    ids_segment,
    node_id,
    pack_changes,
    pack_steps,
    segment_id,
    unpack_changes,
    unpack_steps,
)
from deployments.core.token_ids import token_ids

words = st.integers(0, 2**64 - 1)
steps = st.lists(st.builds(Step, words.map(SegmentId), words))
changes = st.lists(
    st.builds(Change, words.map(NodeId), words.map(NodeId), words.map(SegmentId), words, words)
)


@given(steps)
def test_steps_survive_a_call(laid_out):
    """Any names and lengths, none included, 16 bytes each."""
    packed = pack_steps(laid_out)
    assert unpack_steps(packed) == laid_out
    assert len(packed) == 16 * len(laid_out)


@given(changes)
def test_changes_survive_a_call(told):
    """They keep their order and GONE, at 40 bytes each."""
    packed = pack_changes(told)
    assert list(unpack_changes(packed)) == told
    assert len(packed) == 40 * len(told)


def test_gone_is_the_largest_word():
    """It fits into `cached_to`, and no prompt is that long."""
    told = Change(NodeId(1), ROOT, SegmentId(2), GONE)
    assert list(unpack_changes(pack_changes([told]))) == [told]


@given(st.binary(max_size=200))
def test_other_lengths_are_refused(raw):
    """Truncated bytes are an error, never other steps or changes."""
    if len(raw) % 16:
        with pytest.raises(ValueError, match=r"bytes"):
            unpack_steps(raw)
    if len(raw) % 40:
        with pytest.raises(ValueError, match=r"bytes"):
            list(unpack_changes(raw))


@pytest.mark.parametrize("wrong", [-1, 2**64])
def test_what_is_no_word_is_refused(wrong):
    """Nothing wraps around."""
    with pytest.raises(OverflowError):
        pack_steps([Step(SegmentId(1), wrong)])
    with pytest.raises(OverflowError):
        pack_changes([Change(NodeId(1), ROOT, SegmentId(1), wrong)])


def test_a_segment_is_named_by_the_first_64_bits_of_its_key():
    """Agents and replicas must come to the same name by themselves."""
    key = SegmentKey("00000000000000ff" + "9" * 48)
    assert segment_id(key) == 255
    assert segment_id(SegmentKey("ff" * 32)) == 2**64 - 1


@given(st.lists(st.integers(0, 2**32 - 1), max_size=9), st.lists(st.integers(0, 2**32 - 1), max_size=9))
def test_pieces_of_prompt_are_named_by_their_ids(some, others):
    """Equal ids have one name, others another; names are words."""
    same = some == others
    assert (ids_segment(token_ids(some)) == ids_segment(token_ids(others))) is same
    assert 0 <= ids_segment(token_ids(some)) < 2**64


@given(words, words, words)
def test_a_path_is_named_by_all_its_segments_in_order(parent, one, other):
    """No other path has the root's name."""
    a, b = node_id(NodeId(parent), SegmentId(one)), node_id(NodeId(parent), SegmentId(other))
    assert (a == b) is (one == other)
    assert ROOT not in (a, b)
    forth = node_id(node_id(ROOT, SegmentId(one)), SegmentId(other))
    back = node_id(node_id(ROOT, SegmentId(other)), SegmentId(one))
    assert (forth == back) is (one == other)


def test_names_are_the_same_in_every_process():
    """Replicas of different versions or machines talk of the same paths: these are their names for good."""
    assert ids_segment(token_ids([1, 2, 3])) == 11402386789778234582
    assert node_id(NodeId(1), SegmentId(2)) == 11868681386100499350

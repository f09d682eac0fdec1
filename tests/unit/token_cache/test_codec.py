"""Entries decode to exactly the ids that were encoded, or raise CorruptEntry."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import SegmentKey
from deployments.core.token_ids import token_ids
from deployments.token_cache import codec
from deployments.token_cache.codec import (
    HEADER_BYTES,
    PEEK_BYTES,
    CorruptEntry,
    decode,
    encode,
    peek_count,
)

KEY = SegmentKey("0123456789abcdef" * 3)
OTHER_KEY = SegmentKey("0123456789abcdef" * 2 + "0123456789abcde0")
NARROW, LENGTHS, WIDE = 65_535, 65_536, 2**18

narrow_ids = st.lists(st.integers(0, NARROW - 1), max_size=300).map(token_ids)
coded_ids = st.lists(st.integers(0, 2**18 - 1), max_size=300).map(token_ids)
wide_ids = st.lists(st.integers(0, 2**32 - 1), max_size=300).map(token_ids)
entries = st.one_of(
    narrow_ids.map(lambda ids: (ids, encode(ids, KEY, NARROW))),
    coded_ids.map(lambda ids: (ids, encode(ids, KEY, LENGTHS))),
    wide_ids.map(lambda ids: (ids, encode(ids, KEY, 2**32))),
)


@given(entries)
def test_ids_come_back_exactly(entry):
    ids, raw = entry
    assert decode(raw, KEY) == ids
    assert decode(raw, KEY).typecode == "I"


@given(entries)
def test_an_entry_under_another_key_is_corrupt(entry):
    with pytest.raises(CorruptEntry):
        decode(entry[1], OTHER_KEY)


@given(entries, st.binary(max_size=64), st.binary(max_size=64))
def test_an_entry_counts_only_under_the_seal_that_it_was_written_with(entry, seal, other):
    """Whoever lacks it can write no entry, not even by a copy of the checksum's code."""
    ids, _ = entry
    sealed = encode(ids, KEY, 2**32, seal)
    assert decode(sealed, KEY, seal) == ids
    if seal != other:
        with pytest.raises(CorruptEntry):
            decode(sealed, KEY, other)


@given(entries, st.data())
def test_changed_bytes_never_come_back_as_ids(entry, data):
    _, raw = entry
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    with pytest.raises(CorruptEntry):
        decode(changed, KEY)


@given(entries, st.data())
def test_truncated_or_extended_entries_are_corrupt(entry, data):
    _, raw = entry
    cut = data.draw(st.integers(0, len(raw) - 1))
    for damaged in (raw[:cut], raw[cut:] if cut else raw + b"\0", raw + raw):
        with pytest.raises(CorruptEntry):
            decode(damaged, KEY)


@given(st.binary(max_size=200))
def test_any_bytes_are_corrupt_and_nothing_worse(raw):
    with pytest.raises(CorruptEntry):
        decode(raw, KEY)
    peek_count(raw)


def _forged(form: int, count: int, payload: bytes) -> bytes:
    """An entry with a valid checksum that only a bug or an attacker would write."""
    head = codec._MAGIC + bytes([codec._VERSION << 2 | form]) + count.to_bytes(3, "little")
    return head + codec._checksum(KEY, head, payload, b"") + payload


@given(st.integers(0, 3), st.integers(0, 2**24 - 1), st.binary(max_size=200))
def test_a_forged_entry_yields_as_many_ids_as_its_header_says_or_is_corrupt(form, count, payload):
    try:
        ids = decode(_forged(form, count, payload), KEY)
    except CorruptEntry:
        return
    assert len(ids) == count


def test_a_decompression_bomb_is_inflated_no_further_than_its_count():
    forged = _forged(codec._DEFLATED, 100, codec._deflate(bytes(50_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptEntry):
            decode(forged, KEY)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", [codec._PLAIN, codec._WIDE, codec._DEFLATED, codec._LENGTHS])
def test_an_entry_with_fewer_ids_than_its_count_is_corrupt(form):
    payload = codec._deflate(bytes(8)) if form == codec._DEFLATED else bytes(8)
    with pytest.raises(CorruptEntry):
        decode(_forged(form, 5, payload), KEY)


@given(entries)
def test_the_count_can_be_read_from_the_header_alone(entry):
    ids, raw = entry
    assert peek_count(raw[:PEEK_BYTES]) == len(ids)


@given(st.binary(max_size=PEEK_BYTES + 2).filter(lambda raw: not raw.startswith(codec._MAGIC)))
def test_no_count_is_read_from_bytes_that_are_not_an_entry(head):
    assert peek_count(head) is None


def test_entries_of_another_version_are_corrupt_and_uncounted():
    raw = bytearray(encode(token_ids([1, 2]), KEY, NARROW))
    raw[2] += 1 << 2
    assert peek_count(bytes(raw)) is None
    with pytest.raises(CorruptEntry):
        decode(bytes(raw), KEY)


def test_an_id_beyond_the_vocabulary_is_refused_rather_than_cut():
    with pytest.raises(OverflowError):
        encode(token_ids([65_536]), KEY, NARROW)


def test_the_vocabulary_decides_how_an_id_is_written():
    """Two bytes below 2**16, else as many bits as an id needs; four bytes if one is 2**18 or more."""
    rng = random.Random(1)
    ids = token_ids([rng.randrange(65_535) for _ in range(200)])
    assert len(encode(ids, KEY, NARROW)) == HEADER_BYTES + 400
    assert HEADER_BYTES + 400 < len(encode(ids, KEY, LENGTHS)) < HEADER_BYTES + 520
    assert len(encode(ids, KEY, WIDE + 1)) == len(encode(ids, KEY, LENGTHS))
    assert len(encode(token_ids([*ids[1:], WIDE]), KEY, WIDE + 1)) == HEADER_BYTES + 800


@pytest.mark.parametrize(
    "old",
    [
        "f15704030000183a74b19fbe9a8c01000200feff",  # plain
        "f1570628000037d0fce3459fb8526367e06060a7220600",  # deflated
        "f157071b00004d7b215cc3efd46163676060e000e209f18c0cec34660300",  # four bytes an id, deflated
    ],
)
def test_entries_of_version_1_are_recomputed_and_never_misread(old):
    """Whatever their bytes would mean in this version."""
    with pytest.raises(CorruptEntry, match="version"):
        decode(bytes.fromhex(old), KEY)


def test_length_coded_ids_at_their_limits():
    """The first and the last id of each class, an odd number of ids, and no ids."""
    edges = sorted({id_ for bits in range(3, 19) for id_ in ((1 << bits) - 1, (1 << bits) % 2**18)})
    for ids in (token_ids(edges), token_ids(edges[1:]), token_ids()):
        assert decode(encode(ids, KEY, LENGTHS), KEY) == ids
    with pytest.raises(OverflowError):
        encode(token_ids([2**18]), KEY, LENGTHS)


def test_200_ids_as_frequent_as_a_large_vocabularys_take_less_than_1_8_bytes_each():
    """Log-uniform over 150,000: more long ids than real text of Qwen's tokenizer has (1.71 bytes)."""
    rng = random.Random(3)
    ids = token_ids([int(150_000 ** rng.random()) for _ in range(200)])
    assert len(encode(ids, KEY, LENGTHS)) / 200 <= 1.8


def test_200_incompressible_ids_take_at_most_2_2_bytes_each_headers_included():
    rng = random.Random(2)
    raw = encode(token_ids([rng.randrange(49_152) for _ in range(200)]), KEY, 49_152)
    assert len(raw) / 200 <= 2.2


def test_repeated_ids_are_compressed():
    assert len(encode(token_ids([7, 8, 9, 10] * 50), KEY, NARROW)) < 100

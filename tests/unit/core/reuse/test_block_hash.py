"""Hashes of KV blocks against the rule written down a second time. vLLM's own is asked elsewhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.block_hash import block_hashes
from deployments.core.token_ids import token_ids
from tests.unit.core.reuse.cbor import encode

boundaries = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1]
token = st.sampled_from(boundaries) | st.integers(0, 200_000)
prompts = st.lists(token, max_size=80).map(token_ids)
texts = st.text(max_size=40) | st.sampled_from(["x" * 23, "x" * 24, "x" * 255, "x" * 256, "ü" * 12])
block_sizes = st.sampled_from([1, 2, 3, 16, 23, 24, 32])


def by_the_rule(ids, block_size, salt, seed):
    """Blocks one by one: sha256 over CBOR of (parent, ids, extra keys), the last 64 bits of each."""
    parent = hashlib.sha256(encode(seed)).digest()
    hashes = []
    for start in range(0, len(ids) - block_size + 1, block_size):
        extra = [["cache_salt", salt]] if start == 0 else None
        parent = hashlib.sha256(encode([parent, list(ids[start : start + block_size]), extra])).digest()
        hashes.append(int.from_bytes(parent, "big") % 2**64)
    return hashes


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (1, "01"),
        (10, "0a"),
        (23, "17"),
        (24, "1818"),
        (25, "1819"),
        (100, "1864"),
        (1000, "1903e8"),
        (1_000_000, "1a000f4240"),
        (1_000_000_000_000, "1b000000e8d4a51000"),
        (None, "f6"),
        (b"", "40"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("", "60"),
        ("IETF", "6449455446"),
        ("\u00fc", "62c3bc"),
        ("\u6c34", "63e6b0b4"),
        ([], "80"),
        ([1, 2, 3], "83010203"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ],
)
def test_the_judge_knows_its_cbor(value, encoded):
    """The examples of RFC 8949, appendix A."""
    assert encode(value).hex() == encoded


@given(prompts, block_sizes, texts, texts)
def test_hashes_follow_the_rule(ids, block_size, salt, seed):
    """Ids, salts and seeds at every length of encoding."""
    assert block_hashes(ids, block_size, salt, seed) == by_the_rule(ids, block_size, salt, seed)


@given(prompts)
def test_the_seed_is_vllms_own_unless_told_otherwise(ids):
    """The text is in vLLM's source."""
    assert block_hashes(ids, 2, "salt") == by_the_rule(ids, 2, "salt", "vllm-none-hash")


@given(prompts, st.integers(0, 80), block_sizes)
def test_what_begins_alike_has_the_same_first_hashes(ids, cut, block_size):
    """Full blocks only, so a cut within one loses it."""
    whole = block_hashes(ids, block_size, "salt")
    part = block_hashes(ids[:cut], block_size, "salt")
    assert part == whole[: len(part)]
    assert len(part) == min(cut, len(ids)) // block_size


@given(st.lists(token, min_size=8, max_size=40), st.data())
def test_one_other_token_changes_its_block_and_all_after_it(ids, data):
    """And none before it."""
    at = data.draw(st.integers(0, len(ids) // 4 * 4 - 1))
    other = [*ids]
    other[at] = ids[at] ^ 1
    before, after = block_hashes(token_ids(ids), 4, "s"), block_hashes(token_ids(other), 4, "s")
    assert before[: at // 4] == after[: at // 4]
    assert set(before[at // 4 :]).isdisjoint(after[at // 4 :])


@given(st.lists(token, min_size=4, max_size=40).map(token_ids), texts, texts)
def test_salts_and_seeds_share_no_block(ids, one, other):
    """Not even blocks far after the first, which alone has the salt in it."""
    if one != other:
        assert set(block_hashes(ids, 4, one)).isdisjoint(block_hashes(ids, 4, other))
        assert set(block_hashes(ids, 4, "s", one)).isdisjoint(block_hashes(ids, 4, "s", other))


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_what_is_no_id_is_refused(wrong):
    """No array of ids has room for it either."""
    with pytest.raises(OverflowError):
        token_ids([wrong])
    with pytest.raises(ValueError, match=r"."):
        block_hashes([1, wrong], 2, "salt")  # type: ignore[arg-type]

"""Token ids keep their values through joining and through bytes, on machines of either byte order."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core import token_ids as module
from deployments.core.token_ids import count_in, from_bytes, join, to_bytes, token_ids

ids = st.lists(st.integers(0, 2**32 - 1), max_size=50)


@given(ids)
def test_ids_survive_bytes(values):
    """`from_bytes` is the inverse of `to_bytes`, at four bytes an id, which `count_in` counts."""
    raw = to_bytes(token_ids(values))
    assert len(raw) == 4 * len(values)
    assert count_in(raw) == len(values)
    assert from_bytes(raw).tolist() == values


@given(ids)
def test_bytes_are_little_endian(values):
    """The form on the wire does not depend on the machine."""
    assert to_bytes(token_ids(values)) == b"".join(value.to_bytes(4, "little") for value in values)


def test_a_big_endian_machine_writes_and_reads_the_same_bytes(monkeypatch):
    """With the machine's byte order the other way round, both directions swap, and leave the ids alone."""
    monkeypatch.setattr(module, "_LITTLE", sys.byteorder != "little")
    original = token_ids([1, 2**24])
    raw = to_bytes(original)
    assert raw == b"\0\0\0\1\1\0\0\0"
    assert original.tolist() == [1, 2**24]
    assert from_bytes(raw).tolist() == [1, 2**24]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 4095])
def test_bytes_of_a_bad_length_are_refused(length):
    """Half an id is an error, never dropped."""
    with pytest.raises(ValueError, match="multiple"):
        from_bytes(bytes(length))


@pytest.mark.parametrize("impossible", [-1, 2**32])
def test_an_id_beyond_32_bits_is_refused(impossible):
    """An id that the wire cannot carry raises OverflowError."""
    with pytest.raises(OverflowError):
        token_ids([impossible])


@given(st.lists(ids, max_size=6))
def test_joined_ids_are_the_parts_in_order(parts):
    """Joining concatenates into a new array and leaves the parts alone."""
    arrays = [token_ids(part) for part in parts]
    joined = join(arrays)
    joined.append(7)
    assert joined.tolist() == [*(i for part in parts for i in part), 7]
    assert [array.tolist() for array in arrays] == parts

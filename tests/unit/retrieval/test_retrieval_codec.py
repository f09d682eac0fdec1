"""Decoding an entry returns the retrieval that was encoded, or fails."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import Passage, Retrieval
from deployments.core.ids import DocId
from deployments.retrieval import retrieval_store
from deployments.retrieval.retrieval_store import (
    HEADER_BYTES,
    CorruptRetrieval,
    decode_retrieval,
    encode_retrieval,
)

texts = st.text(st.characters(), max_size=20)
passages = st.builds(
    Passage,
    texts.map(DocId),
    texts,
    texts,
    st.none() | texts,
    st.integers(0, 2**40),
    st.integers(0, 2**31),
    texts,
    st.floats(allow_nan=False),
    st.none() | st.floats(-1, 1),
    st.none() | texts,
    st.none() | st.integers(0),
    st.none() | st.integers(0),
)
retrievals = st.builds(
    Retrieval, st.lists(passages, max_size=4).map(tuple), st.integers(0), st.just("state"), texts
)


@given(retrievals, texts)
def test_what_was_encoded_comes_back(retrieval, name):
    name = name.encode(errors="replace").decode()
    assert decode_retrieval(encode_retrieval(retrieval, name), name, "state") == retrieval


@given(retrievals)
def test_an_entry_under_another_name_is_corrupt(retrieval):
    with pytest.raises(CorruptRetrieval):
        decode_retrieval(encode_retrieval(retrieval, "name"), "other", "state")


@given(retrievals, st.data())
def test_a_damaged_entry_is_corrupt(retrieval, data):
    raw = bytearray(encode_retrieval(retrieval, "name"))
    where = data.draw(st.integers(0, len(raw) - 1))
    raw[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRetrieval):
        decode_retrieval(bytes(raw), "name", "state")


@given(st.binary(max_size=60))
def test_any_other_bytes_are_corrupt(raw):
    with pytest.raises(CorruptRetrieval):
        decode_retrieval(raw, "name", "state")


PASSAGE = ["a", "T", "", None, 1, 0, "body", 0.5, None]


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        [1],
        [1, []],
        [1, [], None],
        ["1", [], ""],
        [1, None, ""],
        [1, [PASSAGE[:-1]], ""],
        [1, [[*PASSAGE, 0]], ""],
        [1, [[1, *PASSAGE[1:]]], ""],
        [1, [[*PASSAGE[:6], None, 0.5, None]], ""],
        [1, [[*PASSAGE[:7], "0.5", None]], ""],
    ],
)
def test_an_entry_with_a_checksum_but_another_shape_is_corrupt(content):
    payload = zlib.compress(json.dumps(content).encode())
    with pytest.raises(CorruptRetrieval):
        decode_retrieval(_with_checksum(payload), "name", "state")


def test_an_entry_that_inflates_beyond_the_limit_is_corrupt(monkeypatch):
    monkeypatch.setattr(retrieval_store, "_MAX_PLAIN_BYTES", 1000)
    with pytest.raises(CorruptRetrieval, match="larger than any"):
        decode_retrieval(_with_checksum(zlib.compress(b"[" * 2000)), "name", "state")


@pytest.mark.parametrize("payload", [b"", b"no deflate", zlib.compress(b'[1, [], ""]') + b"more"])
def test_a_payload_that_is_not_exactly_one_deflate_stream_is_corrupt(payload):
    with pytest.raises(CorruptRetrieval):
        decode_retrieval(_with_checksum(payload), "name", "state")


def _with_checksum(payload):
    head = encode_retrieval(Retrieval((), 0), "name")[:3]
    entry = head + retrieval_store._checksum("name", payload, b"") + payload
    assert len(entry) == HEADER_BYTES + len(payload)
    return entry

"""Documents out of a body, wherever the network cuts it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import DocumentDraft
from deployments.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from serve_app.http.upload_streams import Refusal, Upload, upload_reader

MAX_BYTES = 1000
NAMES = st.sampled_from(["a.md", "docs/b.html", 'say "no".txt', "größe 漢字.pdf"])
FILES = st.dictionaries(NAMES, st.binary(max_size=50) | st.just(b"\r\n--x\r\n" * 5), min_size=1)
CUTS = st.lists(st.integers(0, 5000), max_size=8)


def read(content_type: str, body: bytes, cuts: Sequence[int] = ()) -> list[Upload]:
    """The uploads of a body that arrives in pieces."""
    reader = upload_reader(content_type, MAX_BYTES)
    bounds = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(bounds)]
    return [*(found for piece in pieces for found in reader.feed(piece)), *reader.end()]


def form(files: dict[str, bytes], kind: str = "text/markdown") -> tuple[str, bytes]:
    parts = [("file", (name, content, kind)) for name, content in files.items()]
    request = httpx.Request("POST", "http://localhost", files=parts)
    return request.headers["content-type"], request.read()


@given(FILES, CUTS)
def test_each_part_of_a_form_is_a_document(files: dict[str, bytes], cuts: list[int]) -> None:
    found = read(*form(files), cuts)
    assert all(isinstance(one, DocumentDraft) for one in found)
    assert {one.doc_id: (one.raw, one.media_type) for one in found if isinstance(one, DocumentDraft)} == {
        name: (content, "text/markdown") for name, content in files.items()
    }


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)), CUTS, st.booleans())
def test_each_line_is_a_document(texts: list[str], cuts: list[int], ends: bool) -> None:
    """With or without a line end at the end; blank lines are ignored."""
    lines = [json.dumps({"doc_id": f"d{n}", "content": text}) for n, text in enumerate(texts)]
    body = "\n\n".join(lines) + ("\n" if ends else "")
    found = read("application/x-ndjson", body.encode(), cuts)
    assert [one.raw.decode() for one in found if isinstance(one, DocumentDraft)] == texts


@pytest.mark.parametrize("cuts", [(), range(0, 4000, 100)])
def test_a_document_that_is_too_large_does_not_end_the_others(cuts: Sequence[int]) -> None:
    files = {"a": b"x" * MAX_BYTES, "b": b"x" * (MAX_BYTES + 1), "c": b"y"}
    first, second, third = read(*form(files), cuts)
    assert isinstance(first, DocumentDraft)
    assert isinstance(second, Refusal)
    assert (second.name, type(second.error)) == ("b", PayloadTooLarge)
    assert isinstance(third, DocumentDraft)
    assert third.raw == b"y"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "line: "),
        (b'{"content": "x"}', "doc_id: "),
        (b'{"doc_id": "a", "content": ""}', "content: "),
        (b'{"doc_id": "a/../b", "content": "x"}', "doc_id must be"),
        (b"x" * (MAX_BYTES + 1), "larger than 1000 bytes"),
    ],
)
def test_a_wrong_line_does_not_end_the_others(line: bytes, reason: str) -> None:
    wrong, right = read("application/x-ndjson", line + b'\n{"doc_id": "b", "content": "x"}')
    assert isinstance(wrong, Refusal)
    assert wrong.name == "line 1"
    assert reason in wrong.error.message
    assert isinstance(right, DocumentDraft)


def test_a_part_without_filename_is_refused() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\ntext\r\n--x--\r\n'
    (refused,) = read("multipart/form-data; boundary=x", body)
    assert isinstance(refused, Refusal)
    assert "filename" in refused.error.message


def test_a_form_that_was_cut_off_is_an_error() -> None:
    kind, body = form({"a": b"text"})
    with pytest.raises(InvalidRequest, match="cut off"):
        read(kind, body[:-8])


@pytest.mark.parametrize("body", [b"garbage", b"--x\r\n" + b"h" * 9000])
def test_what_is_no_form_is_an_error(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="can't be read"):
        read("multipart/form-data; boundary=x", body)


def test_other_types_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="x-ndjson"):
        upload_reader("application/json", MAX_BYTES)
    with pytest.raises(InvalidRequest, match="boundary"):
        upload_reader("multipart/form-data", MAX_BYTES)

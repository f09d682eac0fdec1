"""Chunks keep all text, have a limited size and name their headings."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.segments import document_segment
from deployments.knowledge.chunking import Chunk, Chunker, plain_chunks


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def count_words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def is_subsequence(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(item in rest for item in wanted)


def segments(title: str, chunks: list[Chunk]) -> list[str]:
    return [document_segment(title, chunk.heading, chunk.body) for chunk in chunks]


WORD = st.text("abcdefghijklmnopqrstuvwxyzäß漢0123456789", min_size=1, max_size=9)
LINE = st.lists(WORD, min_size=1, max_size=25).map(" ".join)
BLOCK = st.one_of(
    LINE,
    LINE.map(lambda line: f"{line}."),
    st.tuples(st.integers(1, 6), LINE).map(lambda t: f"{'#' * t[0]} {t[1]}"),
    LINE.map(lambda line: f"{line}\n====="),
    st.lists(LINE, min_size=1, max_size=6).map(lambda lines: "\n".join(f"- {x}" for x in lines)),
    st.lists(LINE, min_size=1, max_size=6).map(lambda lines: "```\n# " + "\n# ".join(lines) + "\n```"),
    st.lists(LINE, min_size=1, max_size=6).map(lambda lines: "\n".join(f"> {x}" for x in lines)),
    st.lists(st.tuples(LINE, LINE), min_size=1, max_size=9).map(
        lambda rows: "| a | b |\n|---|---|\n" + "\n".join(f"| {x} | {y} |" for x, y in rows)
    ),
)
DOCUMENT = st.lists(BLOCK, min_size=1, max_size=12).map("\n\n".join)


@given(DOCUMENT, LINE, st.integers(32, 120))
def test_every_word_occurs_in_order(text: str, title: str, chunk_tokens: int) -> None:
    chunks = Chunker(count_words, chunk_tokens).chunks(title, text)
    assert is_subsequence(words(text), words("\n".join(segments(title, chunks))))
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))


@given(DOCUMENT, st.integers(32, 120))
def test_no_segment_has_more_tokens_than_allowed(text: str, chunk_tokens: int) -> None:
    chunks = Chunker(count_words, chunk_tokens).chunks("a title", text)
    assert all(count_words(segment) <= chunk_tokens for segment in segments("a title", chunks))


@given(st.text(max_size=400), st.integers(32, 64))
def test_any_text_gives_stripped_bodies_and_keeps_its_characters(text: str, chunk_tokens: int) -> None:
    text = text.replace("\r", "\n").replace("\0", "")
    chunks = Chunker(len, chunk_tokens).chunks("t", text)
    assert all(chunk.body and chunk.body == chunk.body.strip() for chunk in chunks)
    # A heading's marks are dropped; all other visible characters stay.
    visible = re.sub(r"[\s#=-]", "", text)
    assert is_subsequence(list(visible), list("".join(segments("t", chunks))))


@given(st.text(" \n\t", max_size=20))
def test_a_blank_text_has_no_chunks(blank: str) -> None:
    assert Chunker(count_words).chunks("t", blank) == []


@given(DOCUMENT, st.integers(32, 120))
def test_a_body_is_made_from_its_range(text: str, chunk_tokens: int) -> None:
    """It ends with the text of the range, before which only a table's header can be repeated."""
    chunks = Chunker(count_words, chunk_tokens).chunks("t", text)
    for chunk in chunks:
        source = text[chunk.start : chunk.end]
        assert source == source.strip()
        assert chunk.body.endswith(source)
        assert chunk.body == source or chunk.body.startswith("| a | b |\n|---|---|\n")
    assert all(one.end <= other.start for one, other in pairwise(chunks))


@given(st.text(max_size=2000))
def test_a_body_of_fixed_length_is_its_range(text: str) -> None:
    for chunk in plain_chunks(text):
        assert chunk.body == text[chunk.start : chunk.end] == chunk.body.strip()


def test_headings_become_the_path_and_leave_the_body() -> None:
    text = (
        "# Guide\n\nIntro.\n\n## Setup\n\n"
        + "one two three. " * 20
        + "\n\n### Linux\n\n"
        + "four five. " * 30
    )
    chunks = Chunker(count_words, 64).chunks("Guide", text)
    assert chunks[0] == Chunk(0, "", "Intro.", 9, 15)
    assert {chunk.heading for chunk in chunks[1:]} == {"Setup", "Setup > Linux"}
    assert not any("#" in chunk.body for chunk in chunks)


def test_a_heading_of_only_a_part_of_its_chunk_stays_in_the_text() -> None:
    text = "# A\n\n## B\n\none\n\n## C\n\ntwo"
    body = "## B\n\none\n\n## C\n\ntwo"
    assert Chunker(count_words, 64).chunks("T", text) == [Chunk(0, "A", body, 5, len(text))]


def test_a_number_sign_in_fenced_code_is_no_heading() -> None:
    code = "```sh\n" + "# install everything first\nmake\n" * 12 + "```"
    chunks = Chunker(count_words, 40).chunks("T", f"# Real\n\n{code}\n\nafter")
    assert len(chunks) > 1
    assert {chunk.heading for chunk in chunks} == {"Real"}


def test_a_heading_without_text_is_kept_as_text() -> None:
    chunks = Chunker(count_words, 32).chunks("T", "# Only this")
    assert chunks == [Chunk(0, "", "# Only this", 0, 11)]


def test_two_empty_sections_of_one_name_are_both_kept() -> None:
    chunks = Chunker(count_words, 32).chunks("T", "# X\n\n# X\n\ntext " + "word " * 60)
    assert words("".join(segments("T", chunks))).count("X") >= 2


def test_a_long_heading_stays_in_the_text() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    chunks = Chunker(count_words, 64).chunks("T", f"# {long}\n\nbody")
    assert all(chunk.heading == "" for chunk in chunks)
    assert is_subsequence(words(f"{long} body"), words("\n".join(c.body for c in chunks)))


def test_each_part_of_a_split_table_has_its_header() -> None:
    rows = "\n".join(f"| row {n} | value {n} |" for n in range(30))
    chunks = Chunker(count_words, 64).chunks("T", f"| Name | Value |\n|---|---|\n{rows}\n\nafter the table")
    in_table = [chunk for chunk in chunks if "row" in chunk.body]
    assert len(in_table) > 2
    assert all(chunk.body.startswith("| Name | Value |\n|---|---|\n| row") for chunk in in_table)


def test_a_title_longer_than_the_limit_leaves_room_for_a_body() -> None:
    title = " ".join(f"w{n}" for n in range(50))
    chunks = Chunker(count_words, 32).chunks(title, "body " * 40)
    assert 1 < len(chunks) <= 10


@pytest.mark.parametrize("text", ["a" * 3000, "漢字" * 1500, "😀" * 2000, "|" * 500, "# " * 300])
def test_text_without_boundaries_is_split_too(text: str) -> None:
    chunks = Chunker(len, 256).chunks("T", text)
    assert all(len(segment) <= 256 for segment in segments("T", chunks))
    assert sum(len(chunk.body) for chunk in chunks) >= len(text.replace(" ", "")) - 8

"""Chunks keep all text, have a limited size and name their headings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.segments import document_segment
from deployments.knowledge.cutting.chunking import Chunk, Chunker, plain_chunks


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


@given(st.text(max_size=2000))
def test_a_body_of_fixed_length_is_its_range(text: str) -> None:
    for chunk in plain_chunks(text):
        assert chunk.body == text[chunk.start : chunk.end] == chunk.body.strip()


INTRODUCTION = "This guide says in a few sentences how to set everything up on any system, and why."


def test_headings_become_the_path_and_leave_the_body() -> None:
    text = (
        f"# Guide\n\n{INTRODUCTION}\n\n## Setup\n\n"
        + "one two three. " * 20
        + "\n\n### Linux\n\n"
        + "four five. " * 30
    )
    chunks = Chunker(count_words, 64).chunks("Guide", text)
    assert (chunks[0].heading, chunks[0].body) == ("", INTRODUCTION)
    assert {chunk.heading for chunk in chunks[1:]} == {"Setup", "Setup > Linux"}
    assert not any("#" in chunk.body for chunk in chunks)


def test_a_heading_of_only_a_part_of_its_chunk_stays_in_the_text() -> None:
    text = "# A\n\n## B\n\none\n\n## C\n\ntwo"
    chunks = Chunker(count_words, 64).chunks("T", text)
    assert chunks == [Chunk(0, "A", "## B\n\none\n\n## C\n\ntwo", 5, len(text))]


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


SENTENCES = "This sentence has exactly eight words in it. " * 12


def test_a_list_stays_with_the_sentence_that_introduces_it_and_its_parts_repeat_it() -> None:
    text = (
        "# Owners\n\nPackages have files. To find the owner, run either of these:\n\n"
        f"* `owner FILE`\n\n  {SENTENCES}\n\n* `owner --online FILE`\n\n  {SENTENCES}\n"
    )
    chunks = Chunker(count_words, 96).chunks("T", text)
    assert len(chunks) > 2
    assert all("To find the owner, run either of these:\n\n* `owner" in chunk.body for chunk in chunks)
    assert not any(chunk.body.endswith(":") for chunk in chunks)
    assert any("these:\n\n* `owner FILE`\n\nThis" in chunk.body for chunk in chunks)
    assert "these:\n\n* `owner FILE`\n* `owner --online FILE`\n\nThis" in chunks[-1].body


@pytest.mark.parametrize("fence", ["```python", "~~~~ python title=x"])
def test_each_part_of_long_code_is_fenced_in_its_language(fence: str) -> None:
    mark = fence.split("p", maxsplit=1)[0].strip()
    code = "\n".join(f"    step_{n}(argument, {n})" for n in range(40))
    chunks = Chunker(count_words, 64).chunks("T", f"Run it:\n\n{fence}\n{code}\n{mark}\n\nDone.")
    parts = [chunk.body for chunk in chunks if "step_" in chunk.body]
    assert len(parts) > 3
    for body in parts:
        lines = body.split("Done.")[0].rstrip().split("\n")
        assert body.startswith("Run it:\n\n" + fence)
        assert lines[-1] == mark
        assert all(line.startswith("    step_") for line in lines[3:-1])


def test_code_in_a_list_keeps_its_indentation_in_each_part() -> None:
    code = "\n".join(f"      step_{n}(argument)" for n in range(40))
    chunks = Chunker(count_words, 64).chunks("T", f"1. Run\n\n   ```sh\n{code}\n   ```\n")
    assert len(chunks) > 2
    assert all("      step_" in chunk.body and chunk.body.count("```") == 2 for chunk in chunks)


def test_a_heading_is_never_the_end_of_a_chunk() -> None:
    text = "\n\n".join(f"## Topic {n}\n\n{SENTENCES}" for n in range(5))
    for chunk in Chunker(count_words, 64).chunks("T", text):
        assert not chunk.body.split("\n")[-1].startswith("#")


def test_a_table_without_header_takes_its_first_row_for_it() -> None:
    rows = "\n".join(f"| row {n} | value {n} |" for n in range(30))
    chunks = Chunker(count_words, 64).chunks("T", f"| | |\n|---|---|\n| Name | Value |\n{rows}")
    assert len(chunks) > 2
    assert all("| Name | Value |" in chunk.body for chunk in chunks)


@given(DOCUMENT, st.integers(32, 120))
def test_ranges_are_in_order_and_their_text_is_in_the_body(text: str, chunk_tokens: int) -> None:
    last = 0
    for chunk in Chunker(count_words, chunk_tokens).chunks("T", text):
        assert last <= chunk.start < chunk.end <= len(text)
        assert text[chunk.start : chunk.end] in chunk.body
        assert (
            not re.search(r"\w", text[last : chunk.start]) or "#" in text[last : chunk.start] or "=" in text
        )
        last = chunk.end


def test_more_tokens_than_those_of_the_parts_do_not_exceed_the_limit() -> None:
    def superadditive(text: str) -> int:
        return int(count_words(text) ** 1.15)

    chunks = Chunker(superadditive, 64).chunks("T", SENTENCES * 5)
    assert all(superadditive(segment) <= 64 for segment in segments("T", chunks))


def test_a_part_of_an_introduced_list_names_the_earlier_items() -> None:
    """ "Run one of these:" needs all of them, also where each has a long explanation."""
    explained = "This is said at length. " * 30
    text = f"Run one of these:\n\n* `first`\n\n  {explained}\n\n* `second`\n\n  {explained}"
    last = Chunker(count_words, 64).chunks("T", text)[-1]
    assert last.body.startswith("Run one of these:\n\n* `first`\n* `second`\n\n")

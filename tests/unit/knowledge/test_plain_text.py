"""Plain text: records and underlined headings."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.markdown.plain_text import plain_markdown

RECORDS = [{"q": f"How do I do {n}?", "a": f"Press {n}.\nThen wait."} for n in range(3)]
SPELT = [json.dumps(record) for record in RECORDS]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n".join(SPELT),
        "[\n" + ",\n".join(SPELT) + "\n]\n",
    ],
)
def test_each_record_is_a_paragraph(text: str) -> None:
    assert [json.loads(paragraph) for paragraph in plain_markdown(text).split("\n\n")] == RECORDS


def test_arrays_of_an_object_are_sections() -> None:
    text = json.dumps({"version": 1, "faq": RECORDS, "tags": ["a"]})
    assert plain_markdown(text) == "\n\n".join(['{"version": 1, "tags": ["a"]}', "# faq", *SPELT])


def test_records_are_spelt_as_in_the_text() -> None:
    assert plain_markdown('[{"price": 1.10, "price": 2e400, "name": "\\u00e9"}]') == (
        '{"price": 1.10, "price": 2e400, "name": "\\u00e9"}'
    )


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", '{"a": 1}', "[x]", '[{"a": 1}] and more', "{", "[" * 100_000, '[{"a": ' + "9" * 5000 + "}]"],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain_markdown(text) == text


def test_underlined_lines_are_headings_of_the_level_of_their_mark() -> None:
    text = "=====\nTitle\n=====\n\nPart one\n~~~~~~~~\n\nText\n\nDeeper\n^^^^^^\n\nx\n\nPart two\n~~~~~~~~\ny"
    assert plain_markdown(text) == (
        "# Title\n\n\n## Part one\n\n\nText\n\n### Deeper\n\n\nx\n\n## Part two\n\ny"
    )


@pytest.mark.parametrize(
    "text",
    ["a\n\n----\n$ git add\n----\n", "Text\nof a paragraph\n-----", "A\n-----------------", "- item\n--"],
)
def test_other_lines_of_marks_stay(text: str) -> None:
    assert plain_markdown(text) == text


@given(st.text("ab-=~ \n", max_size=60))
def test_no_word_is_lost(text: str) -> None:
    assert re.findall("[ab]", plain_markdown(text)) == re.findall("[ab]", text)

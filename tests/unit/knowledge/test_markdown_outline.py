"""Headings and tables by offset, and front matter."""

from __future__ import annotations

import time

import pytest

from deployments.knowledge.markdown_outline import FrontMatter, outline, split_front_matter


def test_headings_have_offsets_levels_and_text() -> None:
    text = "é\n\n# One  two #\n\nx\n\nThree\n-----\ny"
    found = outline(text).headings
    assert [(h.level, h.text, text[h.start : h.end]) for h in found] == [
        (1, "One two", "# One  two #\n"),
        (2, "Three", "Three\n-----\n"),
    ]


def test_a_heading_at_the_end_ends_with_the_text() -> None:
    text = "# Last"
    assert outline(text).headings[0].end == len(text)


@pytest.mark.parametrize("text", ["```\n# no\n```", "    # no", "> # no", "- # no", "#no", "<!--\n# no\n-->"])
def test_text_that_only_looks_like_a_heading_is_not_one(text: str) -> None:
    assert outline(text).headings == ()


def test_line_separators_other_than_newline_do_not_shift_offsets() -> None:
    text = "a\u2028b\x0bc\x85d\n\n# H\n"
    (heading,) = outline(text).headings
    assert text[heading.start : heading.end] == "# H\n"


def test_a_table_has_its_header_and_the_offsets_of_its_rows() -> None:
    text = "x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\ny"
    (table,) = outline(text).tables
    assert table.header == "| a | b |\n|---|---|"
    assert text[table.rows_start : table.end] == "| 1 | 2 |\n| 3 | 4 |\n"


def test_front_matter_is_split_from_the_text() -> None:
    matter, text = split_front_matter('---\ntitle: "A: b"\nsection: billing\n---\nBody\n---\n')
    assert matter == FrontMatter({"title": "A: b", "section": "billing"})
    assert text == "Body\n---\n"


def test_front_matter_may_hold_lists() -> None:
    matter, text = split_front_matter(
        '---\ntitle: A\nasked_as:\n  - how: so?\n- "it broke"\nsection: b\n---\n- item\n'
    )
    assert matter.lists == {"asked_as": ("how: so?", "it broke")}
    assert (matter.values["title"], matter.values["section"], text) == ("A", "b", "- item\n")


def test_parsing_a_list_takes_linear_time() -> None:
    """Fifty times the items: a copy of the list for each would take 2,500 times as long."""

    def seconds(items: int) -> float:
        text = "---\nasked_as:\n" + "- a\n" * items + "---\n"
        start_s = time.process_time()
        matter, _ = split_front_matter(text)
        assert len(matter.lists["asked_as"]) == items
        return time.process_time() - start_s

    assert seconds(100_000) < 400 * min(seconds(2_000) for _ in range(5))


@pytest.mark.parametrize(
    "text",
    [
        "---\n- item\n---\n",
        "---\n\ntitle: a\n---\n",
        "---\nno pair\n---\n",
        "---\ntitle: a\n",
        "a\n---\nb: c\n---\n",
    ],
)
def test_other_uses_of_dashes_stay_text(text: str) -> None:
    assert split_front_matter(text) == (FrontMatter(), text)

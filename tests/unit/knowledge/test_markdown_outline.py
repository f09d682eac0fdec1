"""Headings, blocks and what their parts repeat, by offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.cutting.outline import outline


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


def test_a_table_repeats_its_header_and_has_a_block_for_each_row() -> None:
    text = "x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\ny"
    found = outline(text)
    (frame,) = found.frames
    assert frame.opening == "| a | b |\n|---|---|\n"
    assert text[frame.start : frame.end] == "| 1 | 2 |\n| 3 | 4 |\n"
    assert [text[block.start :].split("\n", maxsplit=1)[0] for block in found.blocks] == [
        "x",
        "| a | b |",
        "| 1 | 2 |",
        "| 3 | 4 |",
        "y",
    ]


def test_an_empty_header_is_replaced_by_the_first_row() -> None:
    (frame,) = outline("| | |\n|---|---|\n| Name | Value |\n| a | 1 |").frames
    assert frame.opening == "| Name | Value |\n|---|---|\n"


def test_what_a_colon_introduces_is_worse_to_cut_off_than_anything_else_of_its_kind() -> None:
    def cost(text: str) -> float:
        return outline(text).blocks[1].cut.cost

    assert cost("Run:\n\n- a") > cost("Run.\n\n- a") > cost("Run.\n\na")
    assert cost("# Run\n\na") > cost("Run:\n\n- a")
    assert cost("a\n\n# Run") < cost("a\n\n###### Run") < cost("a\n\nb")


@given(st.text("ab#-*>`|:1. \n\t", max_size=80))
def test_blocks_start_at_lines_in_order_and_frames_are_nested(text: str) -> None:
    found = outline(text)
    starts = [block.start for block in found.blocks]
    assert starts == sorted(set(starts))
    assert all(start == 0 or text[start - 1] == "\n" for start in starts)
    inside: list[int] = []
    for frame in found.frames:
        assert 0 <= frame.start <= frame.end <= len(text)
        while inside and inside[-1] <= frame.start:
            inside.pop()
        assert not inside or frame.end <= inside[-1]
        inside.append(frame.end)

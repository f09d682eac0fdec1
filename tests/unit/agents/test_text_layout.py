"""Lines become rows, paragraphs and Markdown by their positions."""

import html
import re

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deployments.agents.text_layout import markdown_of, paragraphs_of, rows_of, without_repeats
from deployments.core.ticket_image import TextLine

RENDERER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def line(text, left, top, width=200, height=20, slope=0.0):
    right_top = top + slope * width
    box = (left, top), (left + width, right_top), (left + width, right_top + height), (left, top + height)
    return TextLine(text, 1.0, box)


def texts(lines):
    return [row.text for row in rows_of(lines)]


def markdown(*lines):
    return markdown_of(paragraphs_of(rows_of(lines)))


def test_rows_run_from_top_to_bottom_and_left_to_right():
    lines = [line("d", 300, 102), line("c", 0, 100), line("a", 0, 0), line("b", 210, 5)]
    assert texts(lines) == ["a b", "c | d"]


@given(st.permutations(range(12)))
def test_the_order_in_which_lines_were_found_does_not_matter(order):
    grid = [line(f"{i}", 250 * (i % 3), 30 * (i // 3) + i % 3) for i in range(12)]
    assert (
        texts([grid[i] for i in order])
        == texts(grid)
        == ["0 | 1 | 2", "3 | 4 | 5", "6 | 7 | 8", "9 | 10 | 11"]
    )


def test_a_page_photographed_askew_keeps_its_rows():
    slope = 0.04
    lines = [
        line(f"{r}{c}", 210 * c, 40 * r + slope * 210 * c, slope=slope) for r in range(3) for c in range(2)
    ]
    assert texts(lines) == ["00 01", "10 11", "20 21"]


def test_small_lines_next_to_a_tall_one_are_separate_rows():
    assert texts([line("TALL", 0, 0, height=80), line("one", 220, 5), line("two", 220, 50)]) == [
        "one",
        "TALL",
        "two",
    ]


def test_pieces_of_a_sentence_are_joined_and_buttons_kept_apart():
    assert texts([line("The parameter", 0, 0), line("is wrong.", 207, 1)]) == ["The parameter is wrong."]
    assert texts([line("Retry", 0, 0, width=60), line("Cancel", 150, 0, width=60)]) == ["Retry | Cancel"]


def test_wrapped_lines_are_one_paragraph_and_space_parts_paragraphs():
    assert markdown(line("one", 0, 0), line("two", 0, 28), line("three", 0, 90)) == "one\ntwo\n\nthree"


def test_a_row_at_the_side_of_the_paragraph_above_begins_a_new_one():
    assert markdown(line("left", 0, 0), line("right", 500, 24)) == "left\n\nright"


def test_a_single_row_much_taller_than_the_others_is_a_heading():
    small = [line(f"text {i}", 0, 100 + 25 * i) for i in range(3)]
    assert markdown(line("Setup failed", 0, 0, height=40), *small).startswith("## Setup failed\n\ntext 0\n")
    assert markdown(line("Setup failed", 0, 0, height=28), *small).startswith("Setup failed\n\n")


def test_without_other_rows_nothing_is_a_heading():
    assert markdown(line("BIG", 0, 0, height=90), line("small", 0, 200)) == "BIG\n\nsmall"


def test_only_exact_repeats_are_left_out_and_the_first_stays():
    rows = rows_of([line("File Edit", 0, 0), line("Error 1", 0, 50), line("file edit", 0, 100)])
    repeated = rows_of([line("File Edit", 0, 150), line("Error 2", 0, 200)])
    kept = [row.text for row in without_repeats([*rows, *repeated])]
    assert kept == ["File Edit", "Error 1", "file edit", "Error 2"]


def test_no_lines_are_no_text():
    assert markdown() == ""


signs = st.text("ab1 <>&;#*_`~[]()!\\|-+=:./'\"", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(st.lists(signs, min_size=1, max_size=4))
@example(["<script>alert(1)</script>", "![x](http://a)"])
@example(["a", "---", "# b", "1. c", "10) d", "> e", "[f]: g", "__init__ C:\\*.txt &lt;"])
@example(["| a |", "|---|"])
def test_what_an_image_says_is_text_and_never_markup(said):
    rendered = RENDERER.render(markdown(*[line(text, 0, 26 * i) for i, text in enumerate(said)]))
    assert set(re.findall(r"<[^>]*>", rendered)) <= {"<p>", "</p>"}
    assert (
        html.unescape(rendered.removeprefix("<p>").rstrip().removesuffix("</p>")).split()
        == " ".join(said).split()
    )


@given(signs)
@example("C #")
def test_a_heading_shows_all_of_its_text(said):
    small = [line(f"text {i}", 0, 100 + 25 * i) for i in range(3)]
    rendered = RENDERER.render(markdown(line(said, 0, 0, height=40), *small))
    assert html.unescape(rendered.partition("</h2>")[0].removeprefix("<h2>")).split() == said.split()

"""Lines of pages become Markdown without a loss."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.csv_tables import csv_markdown
from deployments.knowledge.readers.hyphens import joined, words_of
from deployments.knowledge.readers.mail_text import own_text
from deployments.knowledge.readers.page_layout import laid_out
from deployments.knowledge.readers.page_lines import Page, Piece, lines_of
from deployments.knowledge.readers.reading import numbers
from deployments.knowledge.readers.titles import stated_title

words = st.text("abcdefghij", min_size=1, max_size=8)
rows = st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=15)


def page(cells: list[list[str]], foot: str = "") -> Page:
    """Cells that are 100 wide, in lines that are 12 apart."""
    pieces = [
        Piece(text, 100.0 * column, 100.0 * column + 5 * len(text), 200.0 + 12 * row, 210.0 + 12 * row)
        for row, line in enumerate(cells)
        for column, text in enumerate(line)
    ]
    if foot:
        pieces.append(Piece(foot, 0.0, 50.0, 780.0, 790.0))
    return Page(lines_of(pieces), 800.0)


@given(st.lists(rows, min_size=1, max_size=4))
def test_no_word_is_lost(pages: list[list[list[str]]]) -> None:
    found = laid_out([page(cells) for cells in pages]).markdown
    given_words = sorted(word for cells in pages for line in cells for word in line)
    assert sorted(re.findall("[a-j]+", found)) == given_words


@given(st.lists(rows, min_size=2, max_size=6))
def test_page_numbers_are_dropped_and_notices_stand_once(pages: list[list[list[str]]]) -> None:
    numbered = laid_out([page(cells, f"Page {number}") for number, cells in enumerate(pages, 1)]).markdown
    assert "Page" not in numbered
    noted = laid_out([page(cells, "Confidential") for cells in pages]).markdown
    assert noted.count("Confidential") == 1


def test_lines_that_count_are_not_all_page_numbers() -> None:
    found = laid_out([page([["text"]], "Order 17"), page([["text"]], "Order 4")]).markdown
    assert "Order 17" in found
    assert "Order 4" in found


@given(st.lists(words.flatmap(lambda word: st.sampled_from([word, f"{word}-", f"{word}7-"])), min_size=1))
def test_joining_lines_drops_nothing_but_hyphens(lines: list[str]) -> None:
    found = joined(lines, words_of(lines))
    assert re.sub(r"[-\n]", "", found) == "".join(lines).replace("-", "")


@pytest.mark.parametrize(
    ("lines", "known", "text"),
    [
        (("audit re-", "cords kept"), "", "audit records kept"),
        (("part HB-", "4711 is"), "", "part HB-4711 is"),
        (("a well-", "known fact"), "well-known", "a well-known fact"),
        (("by Jean-", "Paul"), "", "by Jean-Paul"),
        (("run --dry-", "run now"), "", "run --dry-run now"),
        (("a soft\u00ad", "ened edge"), "", "a softened edge"),
        (("the ﬂow of", "oﬃces"), "", "the flow of\noffices"),
        (("minus -", "sign"), "", "minus -\nsign"),
    ],
)
def test_hyphens_at_line_ends(lines: tuple[str, ...], known: str, text: str) -> None:
    assert joined(lines, words_of([known])) == text


@given(st.sets(st.integers(1, 60), min_size=1))
def test_numbers_are_written_as_ranges(found: set[int]) -> None:
    spans = [span.split("-") for span in numbers(sorted(found)).split(", ")]
    assert {number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)} == found


@given(rows)
def test_every_cell_of_a_table_is_kept(cells: list[list[str]]) -> None:
    table = csv_markdown("\n".join(";".join(line) for line in cells))
    assert re.findall("[a-j]+", table) == [word for line in cells for word in line]


@pytest.mark.parametrize(
    "title", ["untitled", "Document1", "Microsoft Word - a b.docx", r"C:\x\y", "12", "a.pdf"]
)
def test_titles_that_say_nothing(title: str) -> None:
    assert stated_title(title) == ""


@pytest.mark.parametrize(
    "title", ["Excel", "Reset a device", "Documents you need", "Scanner setup", "Node.js"]
)
def test_titles_that_say_something(title: str) -> None:
    assert stated_title(title) == ("" if title == "Excel" else title)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("Yes.\n\n-----Original Message-----\nFrom: a\nold", "Yes."),
        ("Yes.\n\nFrom: Kim <k@example.org>\nSent: Monday\nTo: b\n\nold", "Yes."),
        ("Yes.\n\n**Von:** k@example.org\n**An:** b\n**Betreff:** AW\n\nold", "Yes."),
        ("Booked.\n\nFrom: Berlin\nTo: Paris\nDate: 5 May\nSeat: 5\nPrice: 9 EUR", None),
        ("Ask us.\n\nFrom: k@example.org you get\nall that is new.", None),
        ("Yes.\n-- \nKim\nphone 12", "Yes."),
        ("Steps\n--\n1. Reset", None),
        ("Part one\n-- \nPart two: 5 V\n\nPart three", None),
        ("Part one\n-- \n" + "line\n" * 11, ("Part one\n-- \n" + "line\n" * 11).strip()),
        ("> is it red?\nYes.\n> since when?\nMonday.", "> is it red?\nYes.\n> since when?\nMonday."),
        ("See below.\n\n---------- Forwarded message ---------\nFrom: a\n\nnews", None),
        ("> only a quote", "> only a quote"),
    ],
)
def test_the_senders_own_text(text: str, own: str | None) -> None:
    """What is cut is reported as cut."""
    found = own_text(text)
    assert found.text == (own or text)
    assert (found.quote_cut or found.signature_cut) == (found.text != text.strip())


SCRAPS = ["-", "_", "> ", "From: x\n", "\n", "On a, ", "a-", "[1](#", "sep="]
SCRAPS += ["From: <@", "From: <a\n", "From: a@b\n\n", "-- \n"]


@pytest.mark.parametrize("scrap", SCRAPS)
def test_cutting_mails_and_joining_lines_takes_linear_time(scrap: str) -> None:
    text = scrap * (2_000_000 // len(scrap))
    own_text(text)
    joined(text.split("\n"), frozenset())

"""What documents carry too much of is left out, or cut, in linear time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import DocumentDraft
from deployments.core.errors import UnprocessableDocument, UnsupportedMediaType
from deployments.core.ids import DocId
from deployments.knowledge.cutting.chunking import Chunker, plain_chunks
from deployments.knowledge.cutting.sentences import MAX_SENTENCE_CHARS, line_starts, sentence_starts
from deployments.knowledge.document_cutter import DocumentCutter
from deployments.knowledge.document_limits import DocumentLimits
from deployments.knowledge.readers.charsets import SUPPORTED, codec
from deployments.knowledge.readers.html import html_text
from deployments.knowledge.readers.loaders import load
from deployments.knowledge.readers.markdown.pictures import without_pictures
from deployments.knowledge.readers.markdown.plain_text import plain_markdown
from deployments.knowledge.readers.markdown.reader import read_markdown
from tests.in_process_documents import count_words

PAYLOAD = "iVBORw0KGgo=" * 20


def draft(text: str, media_type: str = "text/markdown") -> DocumentDraft:
    return DocumentDraft(DocId("the-doc"), "", None, media_type, text.encode())


def cpu_s(work: Callable[[], object]) -> float:
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"a ![my plan](data:image/png;base64,{PAYLOAD}) b", "a my plan b"),
        (f'![x](<data:image/png;base64,{PAYLOAD}> "title") b', "x b"),
        ("![x](data:image/svg+xml,%3Csvg%3E)", "x"),
        (f'<img src="data:image/png;base64,{PAYLOAD}"> b', '<img src=""> b'),
        (f"[1]: data:font/woff2;charset=utf-8;base64,{PAYLOAD}\nb", "[1]: \nb"),
        (
            "such as data:image/png;base64,iVBORw0KGgo= here",
            "such as data:image/png;base64,iVBORw0KGgo= here",
        ),
        ("![x](https://example.org/a.png)", "![x](https://example.org/a.png)"),
        ("the data: of [a](b)", "the data: of [a](b)"),
    ],
)
def test_pictures_inside_a_text_are_removed(text: str, left: str) -> None:
    assert without_pictures(text) == left
    assert load(draft(text, "text/plain")).text == left.strip()
    assert PAYLOAD not in load(draft(text)).text


@pytest.mark.parametrize(
    "scrap", ["![", "data:", "![](data:", '![](data:x "', "data:a/b;c=d", "data:a/b;base64,", "![a](<data:"]
)
def test_looking_for_pictures_takes_linear_time(scrap: str) -> None:
    text = "data:" + scrap * (1_000_000 // len(scrap))
    assert cpu_s(lambda: without_pictures(text)) < 2


MARKS = [
    "[",
    "]",
    "![",
    "<!--",
    "{/*",
    "{{<",
    "{%",
    "<Tabs",
    '|<A_{|<A_"|</T>',
    "<T/>",
    "<table>",
    "<img_alt='",
    "`",
    "```_",
    "~~~\n",
    ">_```\n",
    "[a][b",
    "[^a]",
    "[^a]:_x\n",
    "[a]:_/b\n[a]",
    "import_a\n",
    "import_{\n",
    "export_const_a\n",
    ":::_a\n",
    ">_[!N]_a\n",
    "!!!_a\n____",
    "{#a",
    "{:",
    "[[a|",
    "](#tab/",
    "[a](#b_",
    "a\n===\n",
    "{{<_highlight_a_>}}\n",
    "![](data:",
    "[![a](badge",
    "<h1>",
    "<li>",
    "#_{#a](#",
    "#_<a_id=a](#",
    "#_a\n[b](#a)_[c](#a)\n\n",
    "[^1]:_n\n\n____a\n\n",
    "a{%_else_%}",
]


@pytest.mark.parametrize("mark", MARKS)
def test_reading_any_mark_takes_linear_time(mark: str) -> None:
    mark = mark.replace("_", " ").replace("|", " ")
    for start in ("", "import a from 'b'\n\n"):
        text = start + mark * (100_000 // len(mark))
        assert cpu_s(partial(read_markdown, text)) < 4
        assert cpu_s(partial(plain_markdown, text)) < 1


PIECES = ["x" * 999, "y", "。", " ", "\n", ". ", "漢" * 700]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_sentence_or_line_is_longer_than_the_limit(text: str) -> None:
    for starts in (sentence_starts, line_starts):
        cuts = [0, *starts(text, 0, len(text)), len(text)]
        assert cuts == sorted(set(cuts)) or not text
        assert all(end - start <= MAX_SENTENCE_CHARS for start, end in pairwise(cuts))


def test_long_text_is_cut_after_a_stop_or_a_blank_if_there_is_one() -> None:
    clause = "漢" * 299 + "、"
    assert list(sentence_starts(clause * 5, 0, 1500)) == [900]
    assert list(sentence_starts("漢" * 1500, 0, 1500)) == [1000]
    assert list(sentence_starts("word " * 250, 0, 1250)) == [1000]


@pytest.mark.parametrize("text", ["xy7" * 20_000, "漢字仮名交じり文" * 7_500, "a\u200b" * 30_000])
def test_text_without_blanks_is_cut_in_linear_time_and_whole(text: str) -> None:
    measured = 0

    def measure(piece: str) -> int:
        nonlocal measured
        measured += len(piece)
        return len(piece)

    chunks = Chunker(measure, 256).chunks("T", text)
    assert "".join(chunk.body for chunk in chunks) == text
    assert measured < 20 * len(text)


def test_numbered_lists_take_linear_time() -> None:
    page = "<ol>" + "<li>x</li>" * 8000 + "</ol>"
    assert cpu_s(lambda: html_text(page)) < 3


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ol><li>a<li>", "1. a"),
        ("<ol start=7><li>a</li><li>b<p>c</p></li></ol>", "7. a\n8. b\n\n   c"),
        ("<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>", "1. a\n   * b\n2. c"),
        ("<ol><li>a<ol><li>b</li></ol></li></ol>", "1. a\n   1. b"),
        (f"<ol start={'9' * 4000}><li>a</li></ol>", "1. a"),
    ],
)
def test_items_of_numbered_lists_keep_their_numbers(page: str, text: str) -> None:
    assert html_text(page)[1].strip() == text


def test_cells_cannot_span_more_columns_than_a_page_shows() -> None:
    row = "<tr><td colspan=1000>x</td></tr>"
    assert html_text(f"<table>{row}</table>")[1].count("|") < 500
    assert len(html_text(f"<table>{row * 1000}</table>")[1]) < 40_000


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "hex", "x" * 10_000])
def test_charsets_that_are_not_of_the_web_are_refused_with_a_list_of_those_that_are(charset: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="shift_jis") as refused:
        load(draft("text", f"text/plain; charset={charset}"))
    assert len(refused.value.message) < 1000


def test_every_charset_that_is_named_as_supported_is() -> None:
    for name in SUPPORTED.split(", "):
        found = codec(name)
        assert found is not None
        assert "text".encode(found).decode(found) == "text"


def test_a_text_that_is_too_long_is_refused_by_its_limit() -> None:
    cutter = DocumentCutter(Chunker(count_words), DocumentLimits(chars=100, chunks=3))
    for media_type in ("text/markdown", "text/html"):
        with pytest.raises(UnprocessableDocument, match=r"the-doc: .*more than 100 characters.*split it"):
            cutter.read(draft("x " * 51, media_type))


def test_too_many_chunks_are_refused_by_their_limit() -> None:
    cutter = DocumentCutter(Chunker(count_words, 8), DocumentLimits(chunks=3))
    with pytest.raises(UnprocessableDocument, match=r"the-doc: .*more than 3 chunks; split it"):
        cutter.read(draft("word " * 100))


def test_plain_chunks_hold_the_whole_text() -> None:
    text = "x" * 700 + " " * 1000 + "y" * 10
    assert [(chunk.ordinal, len(chunk.body)) for chunk in plain_chunks(text)] == [(0, 500), (1, 200), (2, 10)]

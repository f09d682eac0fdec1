"""PDF files become Markdown as a reader sees them; what can't be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.core.documents import DocumentDraft, MediaType
from deployments.core.errors import UnprocessableDocument
from deployments.core.ids import DocId
from deployments.knowledge.readers import pdf_scans
from deployments.knowledge.readers.loaders import LoadedDocument, load
from tests.pdf_files import pdf, pdf_of_one_stream, pdf_of_picture, scanned

FILES = Path(__file__).parent / "pdf_files"


def loaded(raw: bytes) -> LoadedDocument:
    return load(DocumentDraft(DocId("the-doc"), "", None, MediaType.PDF, raw))


def file(name: str) -> LoadedDocument:
    return loaded((FILES / name).read_bytes())


def test_pages_become_paragraphs() -> None:
    assert loaded(pdf("First page.", "Second page.", title="A manual")) == LoadedDocument(
        "A manual", None, "First page.\n\nSecond page."
    )


def test_a_sentence_goes_on_on_the_next_page() -> None:
    assert loaded(pdf("Wait for a", "minute.")).text == "Wait for a\nminute."


@pytest.mark.parametrize(
    "title", ["untitled", "Microsoft Word - final_v7 (2).docx", "scan0001.pdf", "a.indd"]
)
def test_titles_that_name_a_file_or_a_program_are_not_used(title: str) -> None:
    assert (
        loaded(pdf("First line\nmore", title=title.replace("(", r"\(").replace(")", r"\)"))).title
        == "First line"
    )


def test_words_are_whole_and_part_numbers_keep_their_hyphen() -> None:
    text = file("layouts.pdf").text
    assert "HB-4711 and see the well-known self-service page of Jean-Paul" in text
    assert loaded(pdf("The retention of re-\ncords is long.")).text == "The retention of records is long."


def test_layouts_become_markdown() -> None:
    """Columns, headings, tables of a turned page, text typed on top; no stamp across the page."""
    found = file("layouts.pdf")
    assert found.text.startswith("left column line 0 with some words\nleft column line 1")
    assert "line 9 with some words\nright column line 0" in found.text.replace("\n\n", "\n")
    assert "# Bold heading\n\nbody text" in found.text
    assert "| Name | Value |\n| --- | --- |\n| alpha | 1 |" in found.text.replace(r"\| Name", "Name")
    assert "# Installation\n\nRun the installer" in found.text
    assert "Typed on top" in found.text
    assert "DRAFT" not in found.text
    assert found.warnings == ("page 4: comments were not read",)


def test_values_of_a_form_stand_after_their_labels() -> None:
    assert file("form.pdf").text == (
        "Serial number: QX-77812\nFault: Screen flickers after waking\nUnder warranty: [x]"
    )


def test_running_lines_stand_once_and_page_numbers_nowhere() -> None:
    found = file("running_header.pdf")
    assert found.title == "Printer setup"
    assert found.text.count("Internal use only") == 1
    assert "Page 2 of 3" not in found.text
    assert "for more than a minute,\npress the reset button" in found.text


def test_a_file_that_opens_without_password_is_read() -> None:
    assert "# 2. Limits" in file("open.pdf").text


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ((FILES / "encrypted.pdf").read_bytes(), "encrypted; send a copy that opens without a password"),
        (pdf(""), "no text"),
        (b"%PDF-1.7 garbage", "no readable PDF"),
        (b"", "no readable PDF"),
        (pdf_of_one_stream(b"", 2001), "more than 2,000 pages; split it"),
        (pdf_of_picture(50_000, 50_000), "page 1: pictures without text"),
    ],
)
def test_an_unreadable_file_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(UnprocessableDocument, match="the-doc") as refused:
        loaded(raw)
    assert why in refused.value.message


def test_pages_that_share_their_text_are_refused_by_the_limit() -> None:
    lines = "".join(f"({number} some words of a long page) Tj T* " for number in range(25))
    stream = f"BT /F 6 Tf 8 TL 20 270 Td {lines} ET".encode()
    draft = DocumentDraft(DocId("the-doc"), "", None, MediaType.PDF, pdf_of_one_stream(stream, 500))
    with pytest.raises(UnprocessableDocument, match="more than 100,000 characters"):
        load(draft, 100_000)


def test_scanned_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for which there is no time are named."""
    lines = ("Return the meter within 14 days after", "the contract ends, with part HB-4711.")
    monkeypatch.setattr(pdf_scans, "_CPU_S", 1e-9)
    raw = scanned(lines, lines, lines)
    with pytest.raises(UnprocessableDocument, match="pages 1-3: pictures without text"):
        loaded(raw)
    monkeypatch.undo()
    found = loaded(scanned(lines))
    assert found.text == "\n".join(lines)
    assert found.warnings == ()

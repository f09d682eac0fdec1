"""Office files, tables, mails and e-books become what their readers see; the rest is named."""

from __future__ import annotations

import datetime
import io
import time
from copy import deepcopy

import openpyxl
import pytest
from pptx import Presentation

from deployments.core.documents import DocumentDraft, MediaType
from deployments.core.errors import UnprocessableDocument, UnsupportedMediaType
from deployments.core.ids import DocId
from deployments.knowledge.readers.loaders import LoadedDocument, load
from deployments.knowledge.readers.number_formats import shown
from tests.office_files import docx, epub, zipped
from tests.pdf_files import pdf

RUN = "<w:r>{}<w:t>{}</w:t></w:r>"


def loaded(raw: bytes, media_type: str = "", doc_id: str = "the-doc") -> LoadedDocument:
    return load(DocumentDraft(DocId(doc_id), "", None, media_type, raw))


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Prices"
    for row in (
        ["Price list"],
        [],
        ["Plan", "Region", "Price", "Since", "Sum", "Note"],
        ["Team", "EU", 1234.5, datetime.date(2024, 1, 12), "=C4*2", "x"],
        [None, "Asia", 0.5, datetime.date(2024, 1, 13), "=C5*2", "x"],
        ["Old", "EU", 1, None, None, "x"],
    ):
        sheet.append(row)
    sheet.merge_cells("A4:A5")
    for number in (4, 5):
        sheet[f"C{number}"].number_format = '#,##0.00 "€"'
        sheet[f"D{number}"].number_format = "dd.mm.yyyy"
    sheet.row_dimensions[6].hidden = True
    sheet.column_dimensions["F"].hidden = True
    book.create_sheet("Secret").sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_read_as_excel_shows_it() -> None:
    found = loaded(workbook())
    assert found.text.startswith("## Prices\n\nPrice list\n\n| Plan | Region | Price | Since |")
    assert "| Team | EU | 1,234.50 € | 12.01.2024 |" in found.text
    assert "| Team | Asia | 0.50 € | 13.01.2024 |" in found.text
    assert "Old" not in found.text
    assert [warning.split(":")[0].split(" (")[0] for warning in found.warnings] == [
        "hidden sheets were not read",
        "hidden rows and columns were not read, in",
        "formulas without a stored value were not read",
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (0.255, "0.0%", "25.5%"),
        (-3, "0.00;(0.00)", "(3.00)"),
        (1234567, "#,##0", "1,234,567"),
        (7, "000", "007"),
        (1.5, "0.##", "1.5"),
        (2, "0.##", "2"),
        (12.5, "[$€-407] #,##0.00", "€ 12.50"),
        (3.0, "General", "3"),
        (True, "General", "TRUE"),
        (datetime.datetime(2024, 5, 6, 17, 8), "m/d/yyyy h:mm AM/PM", "05/06/2024 05:08 PM"),
        (datetime.datetime(2024, 5, 6), "mm-dd-yy", "2024-05-06"),
        (datetime.time(7, 5, 9), "mm:ss", "05:09"),
        (datetime.timedelta(hours=26, minutes=3), "[h]:mm", "26:03"),
    ],
)
def test_numbers_and_dates_are_shown_as_formatted(value: object, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


def test_a_word_document_is_read_without_hidden_and_deleted_text() -> None:
    heading = f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>{RUN.format("", "Returns")}</w:p>'
    hidden = RUN.format("<w:rPr><w:vanish/></w:rPr>", "SECRET")
    deleted = "<w:del><w:r><w:delText>99 EUR</w:delText></w:r></w:del>"
    inserted = f"<w:ins>{RUN.format('', '30 EUR')}</w:ins>"
    styles = '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
    body = f"{heading}<w:p>{RUN.format('', 'It costs ')}{hidden}{deleted}{inserted}</w:p>"
    found = loaded(docx(body, styles=styles, comments='<w:comment w:id="1"/>'))
    assert found.text.endswith("It costs 30 EUR")
    assert found.warnings == ("comments were not read: 1",)


def test_a_presentation_is_read_without_hidden_slides_and_notes() -> None:
    presentation = Presentation()
    presentation.core_properties.title = "PowerPoint Presentation"
    for title in ("Training", "Hidden"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        frame = slide.placeholders[1].text_frame
        frame.text = "Plug in"
        frame.add_paragraph().text = "Wait"
        slide.notes_slide.notes_text_frame.text = "do not tell"
    slide._element.set("show", "0")
    out = io.BytesIO()
    presentation.save(out)
    assert loaded(out.getvalue()) == LoadedDocument(
        "Training",
        None,
        "## Training\n\n- Plug in\n- Wait",
        warnings=("hidden slides were not read: 2", "speaker notes were not read, on slides: 1"),
    )


def test_a_table_of_many_rows_takes_linear_time() -> None:
    """When each row counted all rows, 4,000 took 11 s of CPU time."""
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    rows = slide.shapes.add_table(1, 2, 0, 0, 1, 1).table._tbl
    (first,) = rows.tr_lst
    first.tc_lst[0].get_or_add_txBody().p_lst[0].append_text("x")
    rows.extend(deepcopy(first) for _ in range(7_999))
    out = io.BytesIO()
    presentation.save(out)
    started_s = time.process_time()
    assert loaded(out.getvalue()).text.count("| x |") == 8_000
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize(
    "text",
    ["Name;Price\nA;1,5\nB|C;2,5\n", "sep=;\nName;Price\nA;1,5\nB|C;2,5", "Name\tPrice\nA\t1,5\nB|C\t2,5"],
)
def test_the_separator_of_a_table_is_found(text: str) -> None:
    table = "| Name | Price |\n| --- | --- |\n| A | 1,5 |\n| B\\|C | 2,5 |"
    assert loaded(text.encode(), "text/csv").text == table


def test_a_mail_is_its_senders_text() -> None:
    mail = (
        "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\nSubject: =?iso-8859-1?q?R=FCckgabe?= of\r\n meter\r\n"
        "Date: Mon, 6 May 2024 07:08:00 +0200\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        "--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        "<p>HTML</p>\r\n--b\r\nContent-Type: text/plain; charset=unheard\r\n\r\nPlease send it.\r\n\r\n"
        "-- \r\nJ, phone 12\r\n\r\nOn Mon, May 6, 2024 Kim <k@example.org>\r\nwrote:\r\n> old\r\n--b--\r\n"
        "--a\r\nContent-Disposition: attachment; filename=invoice.pdf\r\n\r\nabc\r\n--a--\r\n"
    )
    assert loaded(mail.encode(), "message/rfc822") == LoadedDocument(
        "Rückgabe of meter",
        None,
        "From: Jörg <j@example.org>\nDate: 2024-05-06 07:08+02:00\n\nPlease send it.",
        warnings=(
            "attachments were not read: invoice.pdf",
            "the earlier mail that it quotes at its end was not read",
            "the signature at its end, below a line `-- `, was not read",
        ),
    )


def test_a_book_is_read_in_its_order() -> None:
    found = loaded(epub({"nav": "contents", "z": "<h1>First</h1>", "a": "<p>second</p>"}))
    assert (found.title, found.text) == ("The guide", "# First\n\nsecond")


@pytest.mark.parametrize("media_type", ["", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_an_undeclared_type_is_told_by_contents_or_name(media_type: str) -> None:
    assert loaded(pdf("Text of a PDF"), media_type).text == "Text of a PDF"
    assert loaded(b"a,b\n1,2", media_type, "table.csv").text.startswith("| a | b |")
    with pytest.raises(UnsupportedMediaType, match=r"declare its Content-Type.*text/csv.*\.eml"):
        loaded(b"text", media_type)


def test_a_file_that_is_declared_as_text_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="declared as text/plain, but is application/pdf"):
        loaded(pdf("x"), "text/plain")


OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENTITY = '<!DOCTYPE a [<!ENTITY x "y">]><a/>'
NESTED = "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(3000))
MIXED = "Subject: s\nContent-Type: multipart/mixed; boundary=b0\n\n"


@pytest.mark.parametrize(
    ("raw", "media_type", "why"),
    [
        (zipped({"word/document.xml": bytes(201 << 20)}), MediaType.DOCX, "unpacks to more than 200 MiB"),
        (zipped({str(n): b"" for n in range(10_001)}), MediaType.DOCX, "more than 10,000 files"),
        (zipped({"word/document.xml": ENTITY}), MediaType.DOCX, "document type declaration"),
        (docx("<w:tbl><w:tr><w:tc>" * 3000 + "</w:tc></w:tr></w:tbl>" * 3000), MediaType.DOCX, "nested"),
        (zipped({"a": b""}), MediaType.XLSX, "not of the declared type"),
        (OLD, MediaType.XLSX, "save it without password"),
        (b"PK\x03\x04", MediaType.EPUB, "damaged"),
        ((MIXED + NESTED).encode(), MediaType.EML, "nested"),
        ((MIXED + "--b0\n\nx\n" * 1001).encode(), MediaType.EML, "more than 1,000 parts"),
        (b'"' + b"x" * 200_000, MediaType.CSV, "one of its cells"),
        (b"," * 2000 + b"x", MediaType.CSV, "more than 1,000 columns"),
    ],
)
def test_what_may_harm_is_refused_by_its_limit(raw: bytes, media_type: str, why: str) -> None:
    with pytest.raises(UnprocessableDocument) as refused:
        loaded(raw, media_type)
    assert why in refused.value.message


def test_a_sheet_of_a_million_cells_is_refused() -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for _ in range(100):
        sheet.append([1] * 5001)
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(UnprocessableDocument, match="more than 500,000 cells"):
        loaded(out.getvalue())

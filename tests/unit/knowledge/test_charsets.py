"""Texts are decoded as browsers decode them; an undeclared charset is guessed, and the reply says so."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from deployments.knowledge.readers.charsets import (
    SUPPORTED,
    Undecodable,
    UnknownCharset,
    codec,
    decoded,
    of_page,
)
from deployments.knowledge.readers.loaders import load

TEXTS = {
    "windows-1252": "Für Größe “naïve” — café 30 € täglich. Die Straße ist schön, die Häuser groß.",
    "windows-1251": "Верните счётчик в течение четырнадцати дней после окончания договора.",
    "shift_jis": "契約終了後14日以内にメーターを返却してください。よろしくお願いします。",
    "gb18030": "请在合同结束后十四天内归还仪表。谢谢您的合作，祝您愉快。",  # noqa: RUF001
}


@pytest.mark.parametrize("charset", TEXTS)
def test_an_undeclared_charset_is_guessed(charset: str) -> None:
    found = decoded(TEXTS[charset].encode(codec(charset) or ""), None)
    assert (found.text, found.guessed is not None) == (TEXTS[charset], True)


def test_a_guess_is_a_warning() -> None:
    found = load(DocumentDraft(DocId("d"), "", None, "text/plain", "30 €".encode("cp1252")))
    assert found.text == "30 €"
    assert "guessed to be windows-1252" in found.warnings[0]
    assert "charset=" in found.warnings[0]


@given(st.text(), st.sampled_from(["utf-8-sig", "utf-16"]), st.sampled_from([None, "koi8-r", "utf-8"]))
def test_a_byte_order_mark_wins(text: str, encoding: str, declared: str | None) -> None:
    raw = text.encode("utf-8", "replace").decode().encode(encoding)
    assert decoded(raw, declared).text == text.encode("utf-8", "replace").decode()


@given(st.binary())
def test_latin_1_means_windows_1252_and_reads_everything(raw: bytes) -> None:
    found = decoded(b" " + raw, "ISO-8859-1").text
    assert len(found) == len(raw) + 1
    assert found == decoded(b" " + raw, "windows-1252").text


def test_charsets_of_pages() -> None:
    assert of_page("utf-16") == "utf-8"
    assert of_page("latin1") == "latin1"
    assert of_page(None) is None


@given(st.binary(max_size=300), st.sampled_from([*SUPPORTED.split(", "), "utf-7", "punycode", "", None]))
def test_any_bytes_are_decoded_or_refused(raw: bytes, charset: str | None) -> None:
    with suppress(UnknownCharset, Undecodable):
        decoded(raw, charset)

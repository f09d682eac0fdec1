"""Documents of every type become Markdown; the error of an unreadable one says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import DocumentDraft, MediaType
from deployments.core.errors import (
    InvalidRequest,
    UnprocessableDocument,
    UnsupportedMediaType,
    WarmlineError,
)
from deployments.core.ids import DocId
from deployments.knowledge.readers.loaders import LoadedDocument, load


async def loaded(raw: bytes, media_type: str, title: str = "", section: str | None = None) -> LoadedDocument:
    return load(DocumentDraft(DocId("the-doc"), title, section, media_type, raw))


async def test_markdown_takes_title_and_section_from_front_matter() -> None:
    found = await loaded(b"---\ntitle: Refunds\nsection: billing\n---\n\nText.\r\nMore.\n", "text/markdown")
    assert found == LoadedDocument("Refunds", "billing", "Text.\nMore.")


async def test_wordings_come_from_front_matter_or_else_from_the_draft() -> None:
    own = b"---\nasked_as:\n  - it  broke\n  - it broke\n  -  \n---\nText."
    assert (await loaded(own, "text/markdown")).asked_as == ("it broke",)
    draft = DocumentDraft(DocId("d"), "", None, "text/plain", b"Text.", ("let\nme in", "\0"))
    assert (load(draft)).asked_as == ("let me in",)


@pytest.mark.parametrize("wordings", [tuple(map(str, range(51))), ("x" * 501,)])
async def test_too_many_or_too_long_wordings_are_refused(wordings: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="at most"):
        load(DocumentDraft(DocId("d"), "", None, "text/plain", b"Text.", wordings))


async def test_the_drafts_title_and_section_take_precedence() -> None:
    found = await loaded(b"---\ntitle: A\nsection: b\n---\nx", "text/markdown", " My  title ", "mine")
    assert (found.title, found.section) == ("My title", "mine")


async def test_markdown_without_front_matter_is_named_by_its_first_heading() -> None:
    assert (
        await loaded(b"intro\n\n## How to `x`\n\ny", "TEXT/Markdown; charset=UTF-8")
    ).title == "How to `x`"


async def test_plain_text_is_named_by_its_first_line() -> None:
    assert await loaded(b"\n\nTitle line\nand more\n", "text/plain") == LoadedDocument(
        "Title line", None, "Title line\nand more"
    )


async def test_a_text_without_a_short_title_is_named_by_its_id() -> None:
    assert (await loaded(b"word " * 100, "text/plain")).title == "the-doc"


async def test_html_becomes_markdown_without_scripts_and_backslashes() -> None:
    page = (
        "<html><head><title>The\n page</title><style>p{}</style></head><body><script>evil()</script>"
        "<h2>Über_uns</h2><p>a <b>b</b> <img src='data:xx' alt='a picture'></p>"
        "<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>"
    )
    found = await loaded(page.encode(), "text/html; charset=utf-8")
    assert found.title == "The page"
    assert found.text.startswith("## Über_uns\n\na **b** a picture\n")
    assert "| 1 | 2 |" in found.text
    assert "evil" not in found.text


async def test_html_without_a_title_is_named_by_its_heading() -> None:
    assert (await loaded(b"<h1>Hello <i>there</i></h1>x", "text/html")).title == "Hello there"


async def test_the_declared_charset_is_honoured() -> None:
    assert (await loaded("naïve".encode("latin-1"), 'text/plain; charset="ISO-8859-1"')).text == "naïve"
    page = '<meta charset="iso-8859-1">naïve “q”'
    assert "naïve “q”" in (await loaded(page.encode("cp1252"), "text/html")).text


@pytest.mark.parametrize(
    ("raw", "media_type", "why"),
    [
        (b"a\0b", "text/plain", "NUL character at position 1"),
        (b"caf\xe9", "text/markdown; charset=utf-8", "declare its charset, for example"),
        ("Größe, Straße, ".encode() * 9 + b"\xe9", "text/plain", "not valid UTF-8 at byte 162"),
        (b"\x89PNG\x01", "text/plain", "no text: it has control characters"),
        (b" \n\t", "text/markdown", "no text"),
        (b"---\ntitle: t\n---\n", "text/markdown", "no text"),
        (b"<html><script>x</script></html>", "text/html", "no text"),
        (b"<div>" * 5000 + b"x", "text/html", "nested too deeply"),
    ],
)
async def test_an_unreadable_document_is_named_with_the_reason(raw: bytes, media_type: str, why: str) -> None:
    with pytest.raises(UnprocessableDocument, match="the-doc") as raised:
        await loaded(raw, media_type)
    assert why in raised.value.message


@pytest.mark.parametrize(
    "media_type",
    ["image/png", "", "text/markdown2", "text/plain; charset=nonsense", "text/plain; charset=hex"],
)
async def test_unknown_types_and_charsets_are_unsupported(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await loaded(b"x", media_type)


async def test_an_invalid_charset_name_is_unsupported() -> None:
    with pytest.raises(UnsupportedMediaType, match="unknown charset"):
        await loaded(b'<meta charset="a\0b">x', "text/html")


SCRAPS = ("<![", "]]>", "&#", ";", "²", "9" * 5000, "<ol start=", "<td colspan=", "'", ">")


@given(st.lists(st.sampled_from(SCRAPS) | st.text(max_size=5)).map("".join))
async def test_any_scraps_of_html_are_read_or_refused_in_words(page: str) -> None:
    try:
        found = await loaded(page.encode("utf-8", "replace"), "text/html")
    except WarmlineError:
        return
    assert "\0" not in found.title + found.text


@pytest.mark.parametrize("label", ["a\0b", "\ud800"])
async def test_labels_that_cannot_be_stored_are_refused_by_name(label: str) -> None:
    for labels in ((label, None), ("", label)):
        with pytest.raises(InvalidRequest) as refused:
            await loaded(b"x", "text/plain", *labels)
        assert refused.value.param == ("title" if labels[0] else "section")


async def test_a_title_too_long_for_every_segment_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="200"):
        await loaded(b"x", "text/plain", "t" * 201)


@given(st.binary(max_size=200), st.sampled_from(MediaType))
async def test_any_bytes_are_read_or_refused_in_words(raw: bytes, media_type: str) -> None:
    try:
        found = await loaded(raw, media_type)
    except WarmlineError:
        return
    assert found.text.strip()
    assert "\0" not in found.text


@pytest.mark.parametrize("media_type", MediaType)
async def test_every_type_that_can_be_uploaded_has_a_reader(media_type: MediaType) -> None:
    """The reader refuses these bytes, not the type."""
    draft = DocumentDraft(DocId("d"), "", None, media_type, b"")
    with pytest.raises(UnprocessableDocument):
        load(draft)

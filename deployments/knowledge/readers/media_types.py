"""Tells the type of an uploaded file: as it is declared, or else by its contents and name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from deployments.core.documents import EXTENSIONS, DocumentDraft, MediaType
from deployments.core.errors import UnsupportedMediaType
from deployments.knowledge.readers.archives import member_names

_UNTOLD = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-www-form-urlencoded",  # curl, if it is not told otherwise
        "application/zip",
        "application/x-zip-compressed",
        "application/vnd.ms-excel",  # Windows, of a .csv
    }
)
"""What clients declare that do not know the type."""
_ALIASES: dict[str, MediaType] = {
    "text/x-markdown": MediaType.MARKDOWN,
    "application/xhtml+xml": MediaType.HTML,
    "application/x-pdf": MediaType.PDF,
    "application/csv": MediaType.CSV,
    "text/tab-separated-values": MediaType.CSV,
    "application/vnd.ms-word.document.macroenabled.12": MediaType.DOCX,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": MediaType.PPTX,
    "application/vnd.ms-excel.sheet.macroenabled.12": MediaType.XLSX,
}
_PDF_START = re.compile(rb"[\s\S]{0,1000}?%PDF-")
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<(?:!doctype html|html)", re.I
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_INSIDE = {
    "word/document.xml": MediaType.DOCX,
    "ppt/presentation.xml": MediaType.PPTX,
    "xl/workbook.xml": MediaType.XLSX,
    "META-INF/container.xml": MediaType.EPUB,
}
"""Members by which a zip archive shows its type."""
_OLD_OFFICE = frozenset({"application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook"})
_TEXTS = frozenset({MediaType.MARKDOWN, MediaType.PLAIN, MediaType.HTML, MediaType.CSV})


def type_of(draft: DocumentDraft) -> tuple[MediaType, str | None]:
    """The type of a draft, and the declared charset. Raises UnsupportedMediaType."""
    declared, charset = _parsed(draft.media_type)
    found = _by_contents(draft.raw)
    if declared in _UNTOLD:
        kind = found or _by_name(draft.doc_id)
    else:
        kind = _ALIASES.get(declared) or next((kind for kind in MediaType if kind == declared), None)
    if kind is None:
        raise UnsupportedMediaType(_refusal(declared, draft.raw))
    if kind in _TEXTS and found not in {None, MediaType.HTML}:
        raise UnsupportedMediaType(f"it is declared as {kind}, but is {found}; send it with its own type")
    return kind, charset


def _parsed(media_type: str) -> tuple[str, str | None]:
    kind, *parameters = (part.strip() for part in media_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind.lower(), value.strip().strip('"')
    return kind.lower(), None


def _by_contents(raw: bytes) -> MediaType | None:
    if raw.startswith(_ZIP):
        names = member_names(raw)
        return next((kind for inside, kind in _INSIDE.items() if inside in names), None)
    if _PDF_START.match(raw[:1024]):
        return MediaType.PDF
    return MediaType.HTML if _HTML_START.match(raw[:1024]) else None


def _by_name(doc_id: str) -> MediaType | None:
    return EXTENSIONS.get(PurePosixPath(doc_id).suffix.lower())


def _refusal(declared: str, raw: bytes) -> str:
    if declared in _OLD_OFFICE or raw.startswith(_OLE):
        way_out = "save it as .docx, .pptx or .xlsx, or print it into a PDF"
    elif declared in _UNTOLD:
        way_out = "declare its Content-Type, or let its id end as such files do"
    else:
        way_out = "convert it, or send its text as text/plain"
    supported = f"{', '.join(MediaType)} ({' '.join(EXTENSIONS)})"
    return f"{declared[:80] or 'no media type'} is not supported; {way_out}; supported: {supported}"

"""Documents out of a request's body while it arrives: the parts of a form, or lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import Field, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deployments.core.documents import DocumentDraft
from deployments.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType, WarmlineError
from deployments.core.ids import MAX_DOC_ID_CHARS, doc_id
from serve_app.http.documents import DocumentUpload, markdown_draft

FORM = "multipart/form-data"
LINES = "application/x-ndjson"


class UploadLine(DocumentUpload):
    """A line of an upload: a document as JSON with its id."""

    doc_id: str = Field(min_length=1, max_length=MAX_DOC_ID_CHARS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that can't be stored as it was sent."""

    name: str
    """Its id; for a line without one, the line's number."""
    error: WarmlineError


Upload = DocumentDraft | Refusal


class UploadReader(Protocol):
    """Takes a body piece by piece. Keeps no more than one document of it."""

    def feed(self, piece: bytes) -> Iterator[Upload]:
        """The documents that end in this piece. Raises InvalidRequest."""

    def end(self) -> Iterator[Upload]:
        """What is left when the body has ended. Raises InvalidRequest if it was cut off."""


def upload_reader(content_type: str, max_bytes: int) -> UploadReader:
    """The reader of a body. `max_bytes` limits each document.

    Raises UnsupportedMediaType, and InvalidRequest for a form without a boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind == LINES.encode():
        return LineReader(max_bytes)
    if kind != FORM.encode():
        raise UnsupportedMediaType(f"send the documents as {FORM} or {LINES}")
    if not options.get(b"boundary"):
        raise InvalidRequest(f"the Content-Type {FORM} needs a boundary")
    return FormReader(options[b"boundary"], max_bytes)


class _Bounded:
    """The bytes of one document, up to a limit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = bytearray()
        self._exceeded = False

    def add(self, some: bytes) -> None:
        """Adds bytes; keeps none of a document that exceeds the limit."""
        self._exceeded = self._exceeded or len(self._bytes) + len(some) > self._max_bytes
        if self._exceeded:
            self._bytes.clear()
        else:
            self._bytes += some

    def take(self) -> bytes:
        """Returns the document and starts the next one. Raises PayloadTooLarge."""
        taken, exceeded = bytes(self._bytes), self._exceeded
        self._bytes, self._exceeded = bytearray(), False
        if exceeded:
            raise PayloadTooLarge(f"the document is larger than {self._max_bytes} bytes, the limit of one")
        return taken


class LineReader:
    """Reads lines of JSON, each an `UploadLine`. Blank lines are ignored."""

    def __init__(self, max_bytes: int) -> None:
        self._line = _Bounded(max_bytes)
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[Upload]:
        """The documents whose lines end in this piece."""
        *ended, rest = piece.split(b"\n")
        for end in ended:
            self._line.add(end)
            yield from self.end()
        self._line.add(rest)

    def end(self) -> Iterator[Upload]:
        """The document of the line that was read last."""
        self._number += 1
        try:
            line = self._line.take()
            if not line.strip():
                return
            upload = UploadLine.model_validate_json(line)
            yield markdown_draft(doc_id(upload.doc_id), upload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            param = ".".join(str(part) for part in first["loc"]) or None
            yield self._refused(InvalidRequest(f"{param or 'line'}: {first['msg']}", param))
        except WarmlineError as error:
            yield self._refused(error)

    def _refused(self, error: WarmlineError) -> Refusal:
        return Refusal(f"line {self._number}", error)


@dataclass(slots=True)
class _Header:
    name: bytes = b""
    value: bytes = b""


@dataclass(slots=True)
class _Part:
    """The headers of a part of a form, as far as they were read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header: _Header = field(default_factory=_Header)


class FormReader:
    """Reads the parts of a form: the file's name is the document's id."""

    def __init__(self, boundary: bytes, max_bytes: int) -> None:
        """Raises InvalidRequest if the boundary is too long."""
        self._content = _Bounded(max_bytes)
        self._part = _Part()
        self._found: list[Upload] = []
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_part_data": lambda data, start, end: self._content.add(data[start:end]),
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be read: {error}") from None

    def feed(self, piece: bytes) -> Iterator[Upload]:
        """The documents whose parts end in this piece."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be read: {error}") from None
        found, self._found = self._found, []
        yield from found

    def end(self) -> Iterator[Upload]:
        """Nothing: a form says itself where it ends."""
        if not self._ended:
            raise InvalidRequest("the form was cut off: its last boundary is missing")
        return iter(())

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header.name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header.value += data[start:end]

    def _on_header_end(self) -> None:
        header, self._part.header = self._part.header, _Header()
        self._part.headers[header.name.lower()] = header.value

    def _on_part_end(self) -> None:
        headers = self._part.headers
        _, options = parse_options_header(headers.get(b"content-disposition"))
        # Browsers and httpx write a quotation mark in a name as %22.
        name = options.get(b"filename", b"").decode(errors="replace").replace("%22", '"')
        kind = headers.get(b"content-type", b"").decode("latin-1")
        try:
            raw = self._content.take()
            if not name:
                raise InvalidRequest("each part of the form needs a filename: it is the document's id")
            self._found.append(DocumentDraft(doc_id(name), "", None, kind, raw))
        except WarmlineError as error:
            self._found.append(Refusal(name[:MAX_DOC_ID_CHARS], error))

    def _on_end(self) -> None:
        self._ended = True

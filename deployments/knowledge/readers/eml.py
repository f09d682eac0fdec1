"""Reads e-mails."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parsedate_to_datetime

from deployments.knowledge.document_limits import exceeds
from deployments.knowledge.readers.charsets import Undecodable, UnknownCharset, decoded
from deployments.knowledge.readers.html import html_text
from deployments.knowledge.readers.mail_text import own_text
from deployments.knowledge.readers.office import parsing
from deployments.knowledge.readers.reading import Reading, UnreadableFile, shortened

_MAX_PARTS = 1000
_MAX_DEPTH = 30
"""Of parts in parts."""
_MAX_HEADER_CHARS = 2000
_SHOWN_HEADERS = ("From", "To", "Date")


def read_eml(raw: bytes, max_chars: int) -> Reading:
    """Returns sender, recipient, date and text; the subject is the title.

    Of a text in several formats, plain text is preferred. Attachments are named, not read.
    """
    # The newer policy parses addresses in quadratic time.
    with parsing("mail"):
        message = email.message_from_bytes(raw, policy=compat32)
        if not any(message.get(name) for name in ("From", "Subject", "Date", "Message-ID")):
            raise UnreadableFile("it has none of the headers that an e-mail begins with")
        mail = _Mail()
        texts = [text for text in mail.texts(message) if text.strip()]
        headers = "\n".join(f"{name}: {value}" for name in _SHOWN_HEADERS if (value := _shown(message, name)))
    if not texts:
        raise UnreadableFile("; ".join(["it holds no text", *mail.warnings()]))
    return Reading(_header(message, "Subject"), "\n\n".join([headers, *texts]), tuple(mail.warnings()))


class _Mail:
    """The parts of a mail, and what of them is left out."""

    def __init__(self) -> None:
        self._parts = 0
        self._attached: list[str] = []
        self._quoted = False
        self._signed = False

    def texts(self, part: Message, depth: int = 0) -> Iterator[str]:
        """The texts of a part, in order."""
        self._parts += 1
        if self._parts > _MAX_PARTS or depth > _MAX_DEPTH:
            limits = f"has more than {_MAX_PARTS:,} parts, or parts nested more than {_MAX_DEPTH} deep"
            raise UnreadableFile(exceeds(limits))
        kind = part.get_content_type()
        if kind == "message/rfc822" or _is_attachment(part):
            self._attached.append(_file_name(part) or kind)
        elif part.is_multipart():
            inner = [inner for inner in part.get_payload() if isinstance(inner, Message)]
            if kind == "multipart/alternative":
                yield from self._preferred(inner, depth)
            else:
                for one in inner:
                    yield from self.texts(one, depth + 1)
        elif kind in {"text/plain", "text/html"}:
            yield self._own(_text(part))
        elif _file_name(part):
            self._attached.append(_file_name(part))

    def _preferred(self, versions: list[Message], depth: int) -> Iterator[str]:
        """The plain text of several versions, unless it is blank."""
        for version in sorted(versions, key=lambda version: version.get_content_type() != "text/plain"):
            texts = [text for text in self.texts(version, depth + 1) if text.strip()]
            if texts:
                yield from texts
                return

    def _own(self, text: str) -> str:
        own = own_text(text)
        self._quoted |= own.quote_cut
        self._signed |= own.signature_cut
        return own.text

    def warnings(self) -> Iterator[str]:
        """What is left out."""
        if self._attached:
            yield f"attachments were not read: {shortened(', '.join(self._attached))}"
        if self._quoted:
            yield "the earlier mail that it quotes at its end was not read"
        if self._signed:
            yield "the signature at its end, below a line `-- `, was not read"


def _is_attachment(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")


def _file_name(part: Message) -> str:
    return " ".join(str(part.get_filename("")).split())[:200]


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    declared = part.get_param("charset")
    text = _decoded(raw, declared if isinstance(declared, str) else None)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return html_text(text)[1] if part.get_content_type() == "text/html" else text


def _decoded(raw: bytes, charset: str | None) -> str:
    """A text in whatever charset: many mails declare a wrong one."""
    try:
        return decoded(raw, charset).text
    except UnknownCharset:
        return _decoded(raw, None)
    except Undecodable:
        return raw.decode(errors="replace")


def _shown(message: Message, name: str) -> str:
    value = _header(message, name)
    if name == "Date" and value:
        try:
            return parsedate_to_datetime(value).isoformat(" ", "minutes")
        except ValueError:
            return value
    return value


def _header(message: Message, name: str) -> str:
    """A header's text, decoded, in one line."""
    raw = str(message.get(name, ""))[:_MAX_HEADER_CHARS]
    words = [
        word if isinstance(word, str) else _decoded(word, charset) for word, charset in decode_header(raw)
    ]
    return " ".join("".join(words).split())

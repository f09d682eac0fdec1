"""Reads the text of PDF files."""

from __future__ import annotations

import io
from collections.abc import Iterator

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from deployments.knowledge.document_limits import exceeds_chars

MAX_PAGES = 2000
_UNREADABLE = (
    PyPdfError,
    # Encryption or compression that the parser does not support, or needs another package for.
    NotImplementedError,
    DependencyError,
    # Malformed files make the parser fail anywhere, also with errors that are not its own.
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    OSError,
)


class UnreadablePdf(ValueError):
    """A file can't be read. The message is the reason, in words for the caller."""


def pdf_text(raw: bytes, max_chars: int) -> tuple[str, str]:
    """Returns the title (or "") and the text, with blank lines between pages.

    An encrypted file is read if it opens with an empty password. Raises UnreadablePdf, whose message
    says why the file can't be read: also if its text has more than `max_chars` characters.
    """
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadablePdf("it is encrypted")
        if len(reader.pages) > MAX_PAGES:
            raise UnreadablePdf(f"it has more than {MAX_PAGES} pages")
        text = "\n\n".join(_page_texts(reader, max_chars))
        title = reader.metadata.title if reader.metadata else None
    except UnreadablePdf:
        raise
    except FileNotDecryptedError as error:
        raise UnreadablePdf("it is encrypted") from error
    except _UNREADABLE as error:
        raise UnreadablePdf(f"it is no readable PDF ({type(error).__name__})") from error
    # In damaged metadata the title may not be a string, whatever the parser's types say.
    return _clean(title) if isinstance(title, str) else "", _clean(text)


def _page_texts(reader: PdfReader, max_chars: int) -> Iterator[str]:
    """Stops early: few bytes that many pages share can make gigabytes of text."""
    chars = 0
    for page in reader.pages:
        text = page.extract_text()
        chars += len(text)
        if chars > max_chars:
            raise UnreadablePdf(exceeds_chars(max_chars))
        yield text


def _clean(extracted: str) -> str:
    """Removes what extraction leaves in the text: NULs, lone surrogates, blanks at line ends."""
    text = extracted.replace("\0", "").encode("utf-8", "replace").decode()
    return "\n".join(line.rstrip(" \t\r") for line in text.split("\n"))

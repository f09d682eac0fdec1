"""The text of PDF files."""

from __future__ import annotations

import io
import re

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

MAX_PAGES = 2000
_UNREADABLE = (
    PyPdfError,
    # Kinds of encryption and of compression that the parser does not know, or needs another program for.
    NotImplementedError,
    DependencyError,
    # Malformed files fail anywhere inside the parser, not with its own errors only.
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    OSError,
)


def pdf_text(raw: bytes) -> tuple[str, str]:
    """Title (or "") and text, its pages separated by blank lines.

    Raises: ValueError saying why it can't be read. A file that opens without a password is read.
    """
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ValueError("it is encrypted")
        if len(reader.pages) > MAX_PAGES:
            raise ValueError(f"it has more than {MAX_PAGES} pages")
        text = "\n\n".join(page.extract_text() for page in reader.pages)
        title = reader.metadata.title if reader.metadata else None
    except FileNotDecryptedError as error:
        raise ValueError("it is encrypted") from error
    except _UNREADABLE as error:
        raise ValueError(f"it is no readable PDF ({type(error).__name__})") from error
    # Metadata that are damaged have a title that is no text, whatever the parser's types say.
    return _clean(title) if isinstance(title, str) else "", _clean(text)


def _clean(extracted: str) -> str:
    """Without NULs, lone surrogates and blanks at line ends, which extraction leaves behind."""
    text = extracted.replace("\0", "").encode("utf-8", "replace").decode()
    return re.sub(r"[ \t\r]+$", "", text, flags=re.MULTILINE)

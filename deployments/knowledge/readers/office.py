"""What Office files have in common: the package, its properties, its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.knowledge.readers.archives import Archive
from deployments.knowledge.readers.reading import UnreadableFile
from deployments.knowledge.readers.titles import stated_title

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CORE = "docProps/core.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def opened(raw: bytes, main_part: str) -> Archive:
    """The package of an Office file that has `main_part`. Raises UnreadableFile."""
    if raw.startswith(_OLE):
        raise UnreadableFile(
            "it is encrypted, or in the format of Office 97-2003; save it without password as .docx, .pptx "
            "or .xlsx"
        )
    archive = Archive(raw)
    if main_part not in archive.names:
        raise UnreadableFile(f"it is not of the declared type: it has no {main_part} inside")
    archive.check_office()
    return archive


def core_title(archive: Archive) -> str:
    """The title in the properties; "" if there is none that says something."""
    return stated_title(archive.xml(_CORE).findtext(_TITLE, ""))


@contextmanager
def parsing(kind: str) -> Iterator[None]:
    """Translates what a parser raises for damaged files: anything."""
    try:
        yield
    except (UnreadableFile, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableFile("it is nested too deeply") from error
    except Exception as error:
        raise UnreadableFile(f"it is no readable {kind} file") from error

"""Reads e-books in the EPUB format."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from deployments.knowledge.document_limits import exceeds_chars
from deployments.knowledge.readers.archives import Archive
from deployments.knowledge.readers.charsets import decoded
from deployments.knowledge.readers.html import html_text
from deployments.knowledge.readers.office import parsing
from deployments.knowledge.readers.reading import Reading, UnreadableFile, shortened
from deployments.knowledge.readers.titles import stated_title

_OPF = "{http://www.idpf.org/2007/opf}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_CIPHER = "{http://www.w3.org/2001/04/xmlenc#}CipherReference"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})


def read_epub(raw: bytes, max_chars: int) -> Reading:
    """Returns the chapters in reading order, without the table of contents."""
    archive = Archive(raw)
    with parsing("EPUB"):
        book = _Book(archive)
        texts: list[str] = []
        for chapter in book.chapters():
            texts.append(html_text(decoded(archive.read(chapter), None).text)[1].strip())
            if sum(map(len, texts)) > max_chars:
                raise UnreadableFile(exceeds_chars(max_chars))
    return Reading(book.title, "\n\n".join(filter(None, texts)), tuple(book.warnings()))


class _Book:
    """The package of an e-book."""

    def __init__(self, archive: Archive) -> None:
        self._names = archive.names
        root = archive.xml("META-INF/container.xml").find(f".//{_CONTAINER}rootfile")
        path = root.get("full-path", "") if root is not None else ""
        if path not in archive.names:
            raise UnreadableFile("it is no EPUB file: it does not name its package")
        self._folder = posixpath.dirname(path)
        self._package = archive.xml(path)
        encrypted = archive.xml("META-INF/encryption.xml").iter(_CIPHER)
        self._encrypted = frozenset(unquote(cipher.get("URI", "")) for cipher in encrypted)
        self._missing: list[str] = []
        self.title = stated_title(self._package.findtext(f".//{_TITLE}", ""))

    def chapters(self) -> Iterator[str]:
        """Names of the pages, each once."""
        items = {item.get("id", ""): item for item in self._package.iter(f"{_OPF}item")}
        references = (reference.get("idref", "") for reference in self._package.iter(f"{_OPF}itemref"))
        for item in (items[reference] for reference in dict.fromkeys(references) if reference in items):
            if item.get("media-type") not in _PAGES or "nav" in item.get("properties", "").split():
                continue
            path = unquote(urlsplit(item.get("href", "")).path)
            name = posixpath.normpath(posixpath.join(self._folder, path))
            if name in self._encrypted:
                raise UnreadableFile("it is protected against copying")
            if name in self._names:
                yield name
            else:
                self._missing.append(name)

    def warnings(self) -> Iterator[str]:
        """What is left out."""
        if self._missing:
            yield shortened(f"chapters are missing in the file: {', '.join(self._missing)}")

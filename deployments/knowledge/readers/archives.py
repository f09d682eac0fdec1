"""Opens zip archives from strangers: Office files and e-books."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from xml.etree import ElementTree

from deployments.knowledge.document_limits import exceeds
from deployments.knowledge.readers.reading import UnreadableFile

_MAX_MEMBERS = 10_000
_MAX_BYTES = 200 << 20
"""Of all members, unpacked."""
_MAX_XML_BYTES = 50 << 20
"""Of one member that is parsed: its tree takes many times as much memory."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""Also encrypted members and unknown methods of compression."""
_DTD = re.compile(rb"<\0?!\0?D\0?O\0?C\0?T\0?Y\0?P\0?E")


def member_names(raw: bytes) -> frozenset[str]:
    """The names in an archive; none if it is damaged."""
    try:
        return frozenset(zipfile.ZipFile(io.BytesIO(raw)).namelist())
    except _DAMAGED:
        return frozenset()


class Archive:
    """A zip archive within limits. All methods raise UnreadableFile."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(raw))
        except _DAMAGED as error:
            raise UnreadableFile("it is damaged or no zip archive, as such files are") from error
        members = self._zip.infolist()
        if len(members) > _MAX_MEMBERS:
            raise UnreadableFile(exceeds(f"has more than {_MAX_MEMBERS:,} files inside"))
        # zipfile reads no more of a member than its stated size.
        if sum(member.file_size for member in members) > _MAX_BYTES:
            raise UnreadableFile(exceeds(f"unpacks to more than {_MAX_BYTES >> 20} MiB"))
        self.names = frozenset(self._zip.namelist())

    def read(self, name: str) -> bytes:
        """The contents of a member; b"" if there is none of this name."""
        if name not in self.names:
            return b""
        if self._zip.getinfo(name).file_size > _MAX_XML_BYTES:
            raise UnreadableFile(exceeds(f"has a part of more than {_MAX_XML_BYTES >> 20} MiB inside"))
        try:
            return self._zip.read(name)
        except _DAMAGED as error:
            raise UnreadableFile("it is damaged or protected by a password") from error

    def xml(self, name: str) -> ElementTree.Element:
        """The XML of a member; an empty element if there is none of this name."""
        raw = self.read(name)
        _refuse_entities(raw)
        try:
            return ElementTree.fromstring(raw or b"<none/>")  # noqa: S314 -- it defines no entities
        except ElementTree.ParseError as error:
            raise UnreadableFile("the XML inside is damaged") from error

    def check_office(self) -> None:
        """Refuses what no office program writes and what may harm a parser: entities in XML."""
        for name in self.names:
            if name.endswith((".xml", ".rels", ".vml")):
                _refuse_entities(self.read(name))


def _refuse_entities(xml: bytes) -> None:
    if _DTD.search(xml):
        raise UnreadableFile("the XML inside has a document type declaration, which is not allowed")

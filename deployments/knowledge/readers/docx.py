"""Reads Word documents."""

from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree

from deployments.knowledge.readers.archives import Archive
from deployments.knowledge.readers.html import html_text
from deployments.knowledge.readers.office import core_title, opened, parsing
from deployments.knowledge.readers.reading import Reading

_MAIN = "word/document.xml"
_COMMENTS = "word/comments.xml"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
_NOTE_LINK = re.compile(r"\[?\[(↑|\d+)\]\(#[^)\n]{0,200}\)\]?")
"""Links between a note and its place, which lead nowhere in a passage."""
_OFF = frozenset({"0", "false", "off"})


def read_docx(raw: bytes, max_chars: int) -> Reading:
    """Returns the text as a reader sees it: without deleted and hidden text, and comments."""
    import mammoth  # here, so that a process that reads no Word file does not load it

    archive = opened(raw, _MAIN)
    with parsing("Word"):
        visible = _without_hidden_text(raw, archive)
        found = mammoth.convert_to_html(
            io.BytesIO(visible),
            style_map=_STYLES,
            convert_image=mammoth.images.img_element(lambda _: {}),
            external_file_access=False,
        )
        title, text = html_text(found.value)
    return Reading(
        core_title(archive) or title, _NOTE_LINK.sub(_note_number, text), tuple(_warnings(archive))
    )


def _note_number(link: re.Match[str]) -> str:
    return "" if link[1] == "↑" else f"[{link[1]}]"


def _without_hidden_text(raw: bytes, archive: Archive) -> bytes:
    """The file without runs that Word hides, which Mammoth does not know."""
    document = archive.xml(_MAIN)
    hidden = 0
    for parent in list(document.iter()):
        for run in parent.findall(f"{_W}r"):
            if _is_hidden(run):
                parent.remove(run)
                hidden += 1
    return _replaced(raw, ElementTree.tostring(document)) if hidden else raw


def _is_hidden(run: ElementTree.Element) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and vanish.get(f"{_W}val") not in _OFF


def _replaced(raw: bytes, document: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for name in dict.fromkeys(old.namelist()):
            new.writestr(name, document if name == _MAIN else old.read(name))
    return out.getvalue()


def _warnings(archive: Archive) -> list[str]:
    comments = len(archive.xml(_COMMENTS).findall(f"{_W}comment"))
    return [f"comments were not read: {comments:,}"] if comments else []

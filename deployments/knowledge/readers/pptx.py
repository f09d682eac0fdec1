"""Reads PowerPoint presentations."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from deployments.knowledge.document_limits import exceeds, exceeds_chars
from deployments.knowledge.readers.markdown_table import table
from deployments.knowledge.readers.office import core_title, opened, parsing
from deployments.knowledge.readers.reading import Reading, UnreadableFile, numbers

_MAIN = "ppt/presentation.xml"
_MAX_SLIDES = 2000
_MAX_DEPTH = 20
"""Of groups in groups."""
_FURNITURE = {"DATE", "FOOTER", "SLIDE_NUMBER", "HEADER"}


def read_pptx(raw: bytes, max_chars: int) -> Reading:
    """Returns the text of the slides that are shown, each under its title as a heading.

    Speaker notes are for the speaker, and often say what the audience must not hear: they are left out.
    """
    from pptx import Presentation  # here, so that a process that reads no presentation does not load it

    archive = opened(raw, _MAIN)
    with parsing("PowerPoint"):
        slides = _Slides(Presentation(io.BytesIO(raw)), max_chars)
        text = "\n\n".join(slides.texts())
    return Reading(core_title(archive) or slides.title, text, tuple(slides.warnings()))


class _Slides:
    """The slides of a presentation, and what of them is left out."""

    def __init__(self, presentation: Any, max_chars: int) -> None:
        self._slides = presentation.slides
        self._max_chars = max_chars
        self._hidden: list[int] = []
        self._notes: list[int] = []
        self._drawings: list[int] = []
        self.title = ""
        """Of the first slide."""

    def texts(self) -> Iterator[str]:
        if len(self._slides) > _MAX_SLIDES:
            raise UnreadableFile(exceeds(f"has more than {_MAX_SLIDES:,} slides"))
        chars = 0
        for number, slide in enumerate(self._slides, 1):
            if slide._element.get("show") in {"0", "false"}:
                self._hidden.append(number)
                continue
            text = "\n\n".join(self._slide(slide, number))
            chars += len(text)
            if chars > self._max_chars:
                raise UnreadableFile(exceeds_chars(self._max_chars))
            yield text

    def warnings(self) -> Iterator[str]:
        """What is left out."""
        if self._hidden:
            yield f"hidden slides were not read: {numbers(self._hidden)}"
        if self._notes:
            yield f"speaker notes were not read, on slides: {numbers(self._notes)}"
        if self._drawings:
            yield f"charts and diagrams were not read, on slides: {numbers(self._drawings)}"

    def _slide(self, slide: Any, number: int) -> Iterator[str]:
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) and notes.text.strip():
            self._notes.append(number)
        heading = slide.shapes.title
        title = " ".join(heading.text_frame.text.split()) if heading is not None else ""
        self.title = self.title or title
        if title:
            yield f"## {title}"
        for shape in _shapes(slide.shapes):
            if heading is not None and shape.shape_id == heading.shape_id:
                continue
            yield from self._shape(shape, number)

    def _shape(self, shape: Any, number: int) -> Iterator[str]:
        if shape.has_text_frame:
            if text := _paragraphs(shape):
                yield text
        elif getattr(shape, "has_table", False):
            # `table.rows` counts all rows again for each row.
            rows = shape.table._tbl.tr_lst
            yield table([["" if cell.is_spanned else cell.text for cell in row.tc_lst] for row in rows])
        elif "graphicFrame" in shape._element.tag and number not in self._drawings[-1:]:
            self._drawings.append(number)


def _shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Visible shapes from top to bottom; those in groups at the group's place."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if shape._element.xpath("./*/p:cNvPr[@hidden='1' or @hidden='true']") or _is_furniture(shape):
            continue
        if hasattr(shape, "shapes"):
            if depth < _MAX_DEPTH:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _is_furniture(shape: Any) -> bool:
    return bool(shape.is_placeholder) and shape.placeholder_format.type in _FURNITURE


def _paragraphs(shape: Any) -> str:
    found = [(p.level, " ".join(p.text.split())) for p in shape.text_frame.paragraphs if p.text.strip()]
    if shape.is_placeholder and len(found) > 1:  # the body of a slide is a list
        return "\n".join(f"{'  ' * level}- {text}" for level, text in found)
    return "\n".join(text for _, text in found)

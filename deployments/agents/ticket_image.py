"""Turns a customer's image into text, with the positions of its lines and the tokens that this saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from deployments.agents.image_checks import ImageHeader, ImageLimits, checked_header
from deployments.agents.issue_matching import checked_issues, detected, urgent
from deployments.agents.text_layout import Paragraph, markdown_of, paragraphs_of, rows_of, without_repeats
from deployments.agents.vision_cost import BASELINE_FORMULA, baseline_tokens
from deployments.core.ports import TextReader
from deployments.core.ticket_image import GroundingBox, ImageText, Quadrilateral, TextLine, TicketImage

TokenCounter = Callable[[str], int]
"""Counts the tokens of a text with the serving tokenizer."""


class TicketImageReader:
    """Reads the images that customers attach to tickets."""

    def __init__(
        self,
        reader: TextReader,
        count_tokens: TokenCounter,
        limits: ImageLimits,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._reader = reader
        self._count_tokens = count_tokens
        self._limits = limits
        self._clock = clock

    async def process(
        self, image: bytes, media_type: str | None = None, expected_issues: Sequence[str] | None = None
    ) -> TicketImage:
        """The image's text. `media_type` is the declared one; None if none was declared.

        Checks type and size before decoding, and opens no file by name. Raises InvalidRequest,
        PayloadTooLarge, UnsupportedMediaType, UnprocessableDocument (damaged or animated), Overloaded,
        Unavailable (no text reader), InternalFault.
        """
        start_s = self._clock()
        issues = None if expected_issues is None else checked_issues(expected_issues)
        header = checked_header(image, media_type, self._limits)
        read = await self._reader.read(image)
        return self._described(header, read, issues, start_s)

    def _described(
        self, header: ImageHeader, read: ImageText, issues: tuple[str, ...] | None, start_s: float
    ) -> TicketImage:
        paragraphs = paragraphs_of(without_repeats(rows_of(read.lines)))
        kept = [line for paragraph in paragraphs for row in paragraph for line in row.lines]
        word_count = sum(len(line.text.split()) for line in kept)
        markdown = markdown_of(paragraphs)
        used = self._count_tokens(markdown) if markdown else 0
        baseline = baseline_tokens(read.width_px, read.height_px)
        texts = _texts(paragraphs)
        found = None if issues is None else detected(issues, texts)
        return TicketImage(
            valid=word_count > 0 and (not issues or bool(found)),
            compressed_markdown=markdown,
            word_count=word_count,
            has_content=word_count > 0,
            grounding_boxes=tuple(_grounding(line, read) for line in kept),
            dropped_lines=len(read.lines) - len(kept),
            media_type=header.media_type,
            width_px=read.width_px,
            height_px=read.height_px,
            tokens_used=used,
            baseline_tokens=baseline,
            baseline_formula=BASELINE_FORMULA,
            compression_ratio=round(baseline / used, 2) if used else None,
            savings_percent=round(100 * (1 - used / baseline), 1) if used else None,
            execution_time_ms=round((self._clock() - start_s) * 1000, 2),
            detected_issues=found,
            missing_issues=None if issues is None else tuple(i for i in issues if i not in (found or ())),
            urgency_high=None if found is None else urgent([*texts, *found]),
        )


def _texts(paragraphs: Sequence[Paragraph]) -> list[str]:
    return ["\n".join(row.text for row in paragraph) for paragraph in paragraphs]


def _grounding(line: TextLine, read: ImageText) -> GroundingBox:
    def fraction(x_px: float, y_px: float) -> tuple[float, float]:
        return round(x_px / read.width_px, 5), round(y_px / read.height_px, 5)

    top_left, top_right, bottom_right, bottom_left = line.box
    box: Quadrilateral = (
        fraction(*top_left),
        fraction(*top_right),
        fraction(*bottom_right),
        fraction(*bottom_left),
    )
    return GroundingBox(line.text, line.confidence, box, line.box)

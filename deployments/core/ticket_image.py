"""What is read in a customer's picture, and what the support agent makes of it."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
"""x, y from the top left corner of the image as it is shown."""
Quadrilateral = tuple[Point, Point, Point, Point]
"""Top left, top right, bottom right, bottom left of the text, which may lie askew."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text found in an image. `confidence` is in 0..1, `box` in pixels."""

    text: str
    confidence: float
    box: Quadrilateral


@dataclass(frozen=True, slots=True)
class ImageText:
    """The lines of an image in reading order, and its size in pixels as it is shown.

    A camera may store a picture turned and say so in its metadata; size and boxes are those after
    turning.
    """

    width_px: int
    height_px: int
    lines: tuple[TextLine, ...]


@dataclass(frozen=True, slots=True)
class GroundingBox:
    """Where a kept line is: `box` in fractions (0..1) of the image's width and height, `box_px` in
    pixels.
    """

    text: str
    confidence: float
    box: Quadrilateral
    box_px: Quadrilateral


@dataclass(frozen=True, slots=True)
class TicketImage:
    """The text of a ticket's image in place of the image.

    `valid` says whether the image can stand for the ticket: text was read and, where issues were
    expected, at least one of them is there. `word_count` counts the words of the kept lines, Markdown's
    signs apart. Lines in rows that repeat an earlier row exactly are left out and counted in
    `dropped_lines`.

    `tokens_used` counts the Markdown's tokens in the serving tokenizer. `baseline_tokens` is what a
    vision model charges for an image of this size; `baseline_formula` names the model and the formula.
    `compression_ratio` is baseline / used (under 1: the text costs more than the image would have),
    `savings_percent` is 100 * (1 - used / baseline), negative in that case. Both are None when no text
    was read, since nothing then stands for the image.

    The last three are None when no issues were asked for; `urgency_high` then follows the rule in
    `deployments.agents.issue_matching`.
    """

    valid: bool
    compressed_markdown: str
    word_count: int
    has_content: bool
    grounding_boxes: tuple[GroundingBox, ...]
    dropped_lines: int
    media_type: str
    width_px: int
    height_px: int
    tokens_used: int
    baseline_tokens: int
    baseline_formula: str
    compression_ratio: float | None
    savings_percent: float | None
    execution_time_ms: float
    detected_issues: tuple[str, ...] | None = None
    missing_issues: tuple[str, ...] | None = None
    urgency_high: bool | None = None

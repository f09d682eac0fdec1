"""The text read from a customer's picture, and the support agent's result."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
"""x, y from the top left corner of the image as it is shown."""
Quadrilateral = tuple[Point, Point, Point, Point]
"""Top left, top right, bottom right, bottom left corner of the text, which may be tilted."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text found in an image."""

    text: str
    confidence: float
    """0..1."""
    box: Quadrilateral
    """In pixels."""


@dataclass(frozen=True, slots=True)
class ImageText:
    """The text of an image.

    Cameras may store a picture rotated and note the rotation in its metadata. Size and boxes are those
    of the picture as it is shown, after that rotation.
    """

    width_px: int
    height_px: int
    lines: tuple[TextLine, ...]
    """In reading order."""


@dataclass(frozen=True, slots=True)
class GroundingBox:
    """The place of a kept line."""

    text: str
    confidence: float
    """0..1."""
    box: Quadrilateral
    """In fractions (0..1) of the image's width and height."""
    box_px: Quadrilateral
    """In pixels."""


@dataclass(frozen=True, slots=True)
class TicketImage:
    """The text of a ticket's image, to be used instead of the image."""

    valid: bool
    """Whether the text can replace the image: text was read and, if issues were expected, at least one
    of them was found."""
    compressed_markdown: str
    word_count: int
    """Words of the kept lines, without Markdown's signs."""
    has_content: bool
    """Whether any text was read."""
    grounding_boxes: tuple[GroundingBox, ...]
    dropped_lines: int
    """Lines left out because their row repeats an earlier row exactly."""
    media_type: str
    width_px: int
    height_px: int
    tokens_used: int
    """Tokens of the Markdown in the serving tokenizer."""
    baseline_tokens: int
    """Tokens that a vision model charges for an image of this size."""
    baseline_formula: str
    """Names that model and its formula."""
    compression_ratio: float | None
    """baseline / used; below 1 if the text costs more than the image. None if no text was read."""
    savings_percent: float | None
    """100 * (1 - used / baseline); negative if the text costs more. None if no text was read."""
    execution_time_ms: float
    detected_issues: tuple[str, ...] | None = None
    """Expected issues that the text mentions; None if no issues were expected."""
    missing_issues: tuple[str, ...] | None = None
    """The other expected issues; None if no issues were expected."""
    urgency_high: bool | None = None
    """By the rule in `deployments.agents.issue_matching`; None if no issues were expected."""

"""Bodies of the support agent's search, report and image reading."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel

from deployments.core.documents import Passage
from deployments.core.support_report import SupportReport
from deployments.core.ticket_image import TicketImage
from deployments.core.tickets import Priority, TicketStatus
from serve_app.http.moments import Seconds, moment

_Point = tuple[float, float]
_Quadrilateral = tuple[_Point, _Point, _Point, _Point]


class PassageBody(BaseModel):
    """A passage that was found. `score` is its fused rank, `similarity` the cosine with the query."""

    doc_id: str
    title: str
    heading: str
    section: str | None
    version: int
    text: str
    score: float
    similarity: float | None

    @classmethod
    def of(cls, passage: Passage) -> PassageBody:
        """From the message."""
        return cls.model_validate({**asdict(passage), "text": passage.body})


class KnowledgeSearchBody(BaseModel):
    """What was found in the knowledge base, best first."""

    query: str
    category: str | None
    total_results: int
    results: list[PassageBody]


class PeriodBody(BaseModel):
    """From `start` to before `end`."""

    start: datetime
    end: datetime


class SpreadBody(BaseModel):
    """How durations lie; without any, there is no median and no 95th percentile."""

    count: int
    median_s: Seconds | None
    p95_s: Seconds | None


class SatisfactionBody(BaseModel):
    """Ratings, 1 to 5, as far as any were given."""

    ratings: int
    mean: float | None


class TopicBody(BaseModel):
    """A word, and how many tickets have it in their issue."""

    term: str
    tickets: int


class SupportReportBody(BaseModel):
    """Figures of the tickets that were opened in a period, as they stand now. Rates are percent.

    `first_response` and `resolution` run from a ticket's opening. Without tickets, `empty` is true and
    `note` says so.
    """

    period: PeriodBody
    generated_at: datetime
    empty: bool
    note: str | None
    tickets: int
    by_status: dict[TicketStatus, int]
    by_priority: dict[Priority, int]
    first_response: SpreadBody
    resolution: SpreadBody
    sla_breaches: int
    sla_breach_rate: float | None
    escalated: int
    escalation_rate: float | None
    reopened: int
    satisfaction: SatisfactionBody
    top_topics: list[TopicBody]

    @classmethod
    def of(cls, report: SupportReport) -> SupportReportBody:
        """From the message."""
        period = PeriodBody(start=moment(report.period.start_s), end=moment(report.period.end_s))
        empty = report.tickets == 0
        return cls.model_validate(
            asdict(report)
            | {
                "period": period,
                "generated_at": moment(report.made_at_s),
                "empty": empty,
                "note": "no ticket was opened in this period" if empty else None,
                "satisfaction": SatisfactionBody(ratings=report.ratings, mean=report.mean_rating),
            }
        )


class GroundingBoxBody(BaseModel):
    """Where a line of text is: `box` in fractions of the image's size, `box_px` in pixels."""

    text: str
    confidence: float
    box: _Quadrilateral
    box_px: _Quadrilateral


class TicketImageBody(BaseModel):
    """The text of a picture in place of the picture.

    `tokens_used` is of the text in the serving tokenizer, `baseline_tokens` what a vision model charges
    for an image of this size by `baseline_formula`. `detected_issues`, `missing_issues` and `urgency_high`
    are null when no issues were expected.
    """

    valid: bool
    compressed_markdown: str
    word_count: int
    has_content: bool
    grounding_boxes: list[GroundingBoxBody]
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
    detected_issues: list[str] | None
    missing_issues: list[str] | None
    urgency_high: bool | None

    @classmethod
    def of(cls, image: TicketImage) -> TicketImageBody:
        """From the message."""
        return cls.model_validate(asdict(image))

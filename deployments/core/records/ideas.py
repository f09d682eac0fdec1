"""Business ideas: requests for them, their text, their scores, and the evidence for the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.errors import InvalidRequest
from deployments.core.ids import RequestId, TenantId
from deployments.core.ledger import Reuse
from deployments.core.limits import MAX_USER_ID_CHARS
from deployments.core.records.templates import BusinessType
from deployments.core.texts import check_text

DEFAULT_MIN_REVENUE = 70.0
DEFAULT_ATTEMPTS = 5
MAX_ATTEMPTS = 20
MAX_BATCH = 20
MAX_IDEAS_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class IdeaRequest:
    """A request for one idea. Raises InvalidRequest on values out of bounds and invalid user ids."""

    tenant: TenantId
    request_id: RequestId
    business_type: BusinessType | None = None
    """None: the type with the best stored evidence."""
    min_revenue_score: float = DEFAULT_MIN_REVENUE
    """0..100. The first idea whose revenue score reaches it ends the attempts."""
    max_attempts: int = DEFAULT_ATTEMPTS
    user_id: str | None = None
    learn_from_past: bool = True
    """Whether recalled templates are in the prompt."""
    use_memory: bool = True
    """False: stored templates and ideas are not read, and the idea is not stored."""
    idempotency_key: str | None = None
    """The idea's id is derived from it, so that a repeated request stores one idea. None: a new id."""
    deadline_s: float = 120.0
    """Counted from the call."""
    key_id: str = ""
    """The API key whose usage it is; "" for none."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_revenue_score <= 100:
            raise InvalidRequest("min_revenue_score must be 0 to 100", "min_revenue_score")
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidRequest(f"max_attempts must be 1 to {MAX_ATTEMPTS}", "max_attempts")
        if self.user_id is not None:
            check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)


@dataclass(frozen=True, slots=True)
class IdeaText:
    """What the model writes of an idea."""

    name: str
    description: str
    target_audience: str
    monetization_model: str
    mvp_features: tuple[str, ...]
    tech_stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BusinessIdea:
    """An idea with its scores, 0..100 each."""

    text: IdeaText
    business_type: BusinessType
    success_metrics: Mapping[str, float]
    """Medians over the templates that it was scored by. They say what similar businesses reached: a
    goal, not a forecast."""
    revenue_score: float
    market_trend_score: float
    differentiation_score: float
    overall_score: float
    generated_at: str
    """ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class IdeaDraft:
    """An idea to store."""

    user_id: str | None
    idea: BusinessIdea
    score_explanation: Mapping[str, str]
    """By score: what it was computed from."""


@dataclass(frozen=True, slots=True)
class StoredIdea:
    """A stored idea."""

    idea_id: str
    """Ids sort in the order of creation."""
    draft: IdeaDraft


@dataclass(frozen=True, slots=True)
class IdeaResult:
    """A generated idea, and how it was generated."""

    idea_id: str | None
    """None if it was not stored."""
    idea: BusinessIdea
    score_explanation: Mapping[str, str]
    """As in `IdeaDraft`."""
    min_revenue_score: float
    """As requested."""
    met_threshold: bool
    """Whether the idea reached `min_revenue_score`."""
    attempts: int
    """Attempts made."""
    stopped_by: str
    """"threshold", "attempts", "deadline", or "no_evidence" if no further attempt could score higher."""
    failures: Mapping[str, int]
    """Attempts without a usable idea, by reason."""
    learned_from: tuple[str, ...]
    """Ids of the templates in the prompt."""
    reuse: Reuse
    """What the idea's prompt reused."""
    request_id: str


@dataclass(frozen=True, slots=True)
class IdeaBatch:
    """Ideas that differ from each other."""

    ideas: tuple[IdeaResult, ...]
    """Best overall score first."""
    missing: tuple[str, ...]
    """One reason for each requested idea that could not be generated."""


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """What scoring needs of a stored template."""

    template_id: str
    name: str
    business_type: BusinessType
    success_metrics: Mapping[str, float]
    updated_at_s: float
    """Unix seconds."""
    similarity: float
    """Cosine with the idea."""


@dataclass(frozen=True, slots=True)
class KnownIdea:
    """A stored idea, compared with a new one."""

    idea_id: str
    name: str
    similarity: float
    """Cosine with the new one."""


@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """An idea to find evidence for."""

    tenant: TenantId
    text: IdeaText
    others: tuple[IdeaText, ...] = ()
    """Ideas to compare it with, in addition to the stored ones."""
    use_memory: bool = True
    """False: stored templates and ideas are not read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Stored templates and ideas, compared with the idea of an `EvidenceQuery`."""

    templates: tuple[TemplateFact, ...] = ()
    known_ideas: int = 0
    """Number of stored ideas."""
    nearest_idea: KnownIdea | None = None
    """The most similar stored idea."""
    others: tuple[float, ...] = ()
    """Similarities with the query's `others`, in their order."""


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """The stored templates of one type."""

    business_type: BusinessType
    templates: int
    """Number of templates."""
    mean_success: float
    """Mean of their success scores, 0..1."""

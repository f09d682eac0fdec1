"""Business ideas: what is asked for, what the model writes, and the evidence that it is scored by."""

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
    """An idea to generate. Without a `business_type`, stored evidence chooses it.

    The first idea whose revenue score reaches `min_revenue_score` (0..100) ends the attempts. Without
    `use_memory` no template or known idea is read, and the idea is not stored; `learn_from_past` puts
    recalled templates into the prompt. The same `idempotency_key` stores one idea however often it is sent.
    `deadline_s` runs from the call. Raises InvalidRequest on bounds and on a user that can't be one.
    """

    tenant: TenantId
    request_id: RequestId
    business_type: BusinessType | None = None
    min_revenue_score: float = DEFAULT_MIN_REVENUE
    max_attempts: int = DEFAULT_ATTEMPTS
    user_id: str | None = None
    learn_from_past: bool = True
    use_memory: bool = True
    idempotency_key: str | None = None
    deadline_s: float = 120.0

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
    """An idea with its scores, 0..100 each; `generated_at` is ISO 8601 in UTC.

    `success_metrics` are the medians of what the templates it was scored by report: what similar businesses
    have reached, and so a goal, not a forecast.
    """

    text: IdeaText
    business_type: BusinessType
    success_metrics: Mapping[str, float]
    revenue_score: float
    market_trend_score: float
    differentiation_score: float
    overall_score: float
    generated_at: str


@dataclass(frozen=True, slots=True)
class IdeaDraft:
    """An idea to remember. `score_explanation` says for each score what it was computed from."""

    user_id: str | None
    idea: BusinessIdea
    score_explanation: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredIdea:
    """An idea in memory. Ids are in the order of their creation."""

    idea_id: str
    draft: IdeaDraft


@dataclass(frozen=True, slots=True)
class IdeaResult:
    """A generated idea, and honestly how it came about.

    `idea_id` is None when memory is off. `stopped_by` is "threshold", "attempts", "deadline", or
    "no_evidence" where no further attempt could score higher. `failures` counts the attempts that gave no
    usable idea, by reason. `learned_from` names the templates in the prompt, `reuse` is that of its prompt.
    """

    idea_id: str | None
    idea: BusinessIdea
    score_explanation: Mapping[str, str]
    min_revenue_score: float
    met_threshold: bool
    attempts: int
    stopped_by: str
    failures: Mapping[str, int]
    learned_from: tuple[str, ...]
    reuse: Reuse
    request_id: str


@dataclass(frozen=True, slots=True)
class IdeaBatch:
    """Ideas that differ from each other, best overall score first; `missing` says why others did not come."""

    ideas: tuple[IdeaResult, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """What scoring needs of a stored template. `similarity` is the cosine with the idea."""

    template_id: str
    name: str
    business_type: BusinessType
    success_metrics: Mapping[str, float]
    updated_at_s: float
    similarity: float


@dataclass(frozen=True, slots=True)
class KnownIdea:
    """A stored idea; `similarity` is the cosine with the new one."""

    idea_id: str
    name: str
    similarity: float


@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """An idea to find evidence for. `others` are ideas to compare it with besides the stored ones.

    Without `use_memory` nothing stored is read.
    """

    tenant: TenantId
    text: IdeaText
    others: tuple[IdeaText, ...] = ()
    use_memory: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is stored, as it bears on an idea. `others` are similarities with the query's, in its order."""

    templates: tuple[TemplateFact, ...] = ()
    known_ideas: int = 0
    nearest_idea: KnownIdea | None = None
    others: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """The stored templates of one type: how many, and the mean of their success scores (0..1)."""

    business_type: BusinessType
    templates: int
    mean_success: float

"""Scores of ideas, computed from stored evidence only. All scores are 0..100, with one decimal.

revenue          Mean success (0..100) of the five most similar templates, weighted by similarity. Half a
                 template of success 50 is added as a prior, so that little evidence changes little. 50
                 without evidence.
market trend     Mean of recency and share of the idea's type. A template weighs `2 ** -(age / 90 days)`.
                 Recency is the mean weight of the type's templates; share is the sum of their weights
                 divided by the largest sum of any type. 0 if the type has no template, 50 if there is no
                 template at all.
differentiation  100 minus the highest similarity (in percent) with any stored idea or template.
overall          Half revenue, a quarter market trend, a quarter differentiation.

Similarity is the cosine of the texts' embeddings; negative values count as 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from deployments.core.records.ideas import Evidence, TemplateFact, TypeSummary
from deployments.core.records.templates import SUCCESS_SCORE, BusinessType

NEIGHBOURS = 5
PRIOR_WEIGHT = 0.5
PRIOR_SUCCESS = 0.5
HALF_LIFE_S = 90 * 86_400.0
WEIGHTS = {"revenue": 0.5, "market_trend": 0.25, "differentiation": 0.25}
NEUTRAL = 50.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one idea, 0..100 each."""

    revenue: float
    market_trend: float
    differentiation: float
    overall: float
    explanation: Mapping[str, str]
    """For each score, what it was computed from."""
    success_metrics: Mapping[str, float]
    """Medians over the most similar templates."""


def scores_of(evidence: Evidence, business_type: BusinessType, now_s: float) -> Scores:
    """The scores of the idea that the evidence was collected for. `now_s` is Unix seconds."""
    near = neighbours(evidence.templates)
    revenue, why_revenue = _revenue(near)
    trend, why_trend = _market_trend(evidence.templates, business_type, now_s)
    differentiation, why_different = _differentiation(evidence)
    parts = {"revenue": revenue, "market_trend": trend, "differentiation": differentiation}
    overall = round(sum(WEIGHTS[name] * value for name, value in parts.items()), 1)
    explanation = {
        "revenue_score": why_revenue,
        "market_trend_score": why_trend,
        "differentiation_score": why_different,
        "overall_score": " + ".join(f"{WEIGHTS[name]:g} x {value:g}" for name, value in parts.items()),
    }
    return Scores(revenue, trend, differentiation, overall, explanation, _median_metrics(near))


def neighbours(templates: Sequence[TemplateFact]) -> list[TemplateFact]:
    """The templates from which an idea's revenue is computed, most similar first."""
    similar = [fact for fact in templates if fact.similarity > 0]
    return sorted(similar, key=lambda fact: (-fact.similarity, fact.template_id))[:NEIGHBOURS]


def types_by_evidence(summaries: Sequence[TypeSummary]) -> list[BusinessType]:
    """The types by mean success of their templates, with the same prior as revenue; best first."""

    def record(summary: TypeSummary) -> float:
        total = summary.mean_success * summary.templates + PRIOR_WEIGHT * PRIOR_SUCCESS
        return total / (summary.templates + PRIOR_WEIGHT)

    best = sorted(summaries, key=lambda summary: (-record(summary), summary.business_type))
    return [summary.business_type for summary in best]


def _revenue(near: Sequence[TemplateFact]) -> tuple[float, str]:
    weight = sum(fact.similarity for fact in near)
    success = sum(fact.similarity * fact.success_metrics[SUCCESS_SCORE] for fact in near)
    score = _percent((success + PRIOR_WEIGHT * PRIOR_SUCCESS) / (weight + PRIOR_WEIGHT))
    if not near:
        return score, "no similar template is stored, so nothing is known"
    shown = "; ".join(
        f"{fact.name} (success {fact.success_metrics[SUCCESS_SCORE]:g}, similarity {fact.similarity:.2f})"
        for fact in near
    )
    prior = f"and {PRIOR_WEIGHT:g} of a template of success {PRIOR_SUCCESS:g}"
    return score, f"success of the most similar templates, weighted by similarity: {shown}; {prior}"


def _market_trend(
    templates: Sequence[TemplateFact], business_type: BusinessType, now_s: float
) -> tuple[float, str]:
    if not templates:
        return NEUTRAL, "no template is stored, so nothing is known"
    counts: defaultdict[BusinessType, list[float]] = defaultdict(list)
    for fact in templates:
        age_s = max(now_s - fact.updated_at_s, 0.0)
        counts[fact.business_type].append(2 ** -(age_s / HALF_LIFE_S))
    own = counts.get(business_type)
    if own is None:
        return 0.0, f"no template of the type {business_type} is stored"
    strongest = max(map(sum, counts.values()))
    recency = sum(own) / len(own)
    # All weights may be 0 in floating point, if the templates are very old.
    share = sum(own) / strongest if strongest else 0.0
    counted = f"{len(own)} templates of the type {business_type}"
    return _percent((recency + share) / 2), f"recency {recency:.2f} and share {share:.2f} of {counted}"


def _differentiation(evidence: Evidence) -> tuple[float, str]:
    known = [(fact.similarity, f"the template {fact.name}") for fact in evidence.templates]
    if (idea := evidence.nearest_idea) is not None:
        known.append((idea.similarity, f"the idea {idea.name}"))
    compared = f"{evidence.known_ideas} known ideas and {len(evidence.templates)} templates"
    if not known:
        return 100.0, f"compared with {compared}"
    nearest, name = max(known)
    score = _percent(1 - nearest)
    return score, f"most similar of {compared}: {name} ({nearest:.2f})"


def _median_metrics(near: Sequence[TemplateFact]) -> dict[str, float]:
    """Medians of the metrics that at least half of the templates report."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for fact in near:
        for name, value in fact.success_metrics.items():
            values[name].append(value)
    return {name: median(found) for name, found in sorted(values.items()) if 2 * len(found) >= len(near)}


def _percent(share: float) -> float:
    """A share in percent. Negative similarities and rounding may put it outside of 0..1."""
    return round(100 * min(max(share, 0.0), 1.0), 1)

"""Scores of ideas follow from stored evidence by the documented formulas."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.agents.idea_scoring import (
    HALF_LIFE_S,
    NEIGHBOURS,
    Scores,
    neighbours,
    scores_of,
    types_by_evidence,
)
from deployments.core.records.ideas import Evidence, KnownIdea, TemplateFact, TypeSummary
from deployments.core.records.templates import BusinessType

NOW_S = 1_700_000_000.0
SAAS, RETAIL = BusinessType("saas"), BusinessType("retail")


def fact(number: int = 0, **changes: object) -> TemplateFact:
    """A template changed now, of success 0.8 and half similar."""
    values: dict[str, object] = {
        "template_id": f"t-{number}",
        "name": f"Template {number}",
        "business_type": SAAS,
        "success_metrics": {"success_score": 0.8},
        "updated_at_s": NOW_S,
        "similarity": 0.5,
    }
    return TemplateFact(**(values | changes))  # type: ignore[arg-type]


def with_success(success: float, number: int = 0, **changes: object) -> TemplateFact:
    return fact(number, success_metrics={"success_score": success}, **changes)


facts = st.builds(
    TemplateFact,
    template_id=st.uuids().map(str),
    name=st.just("Name"),
    business_type=st.sampled_from((SAAS, RETAIL)),
    success_metrics=st.fixed_dictionaries(
        {"success_score": st.floats(0, 1)}, optional={"customers": st.floats(0, 1e6)}
    ),
    updated_at_s=st.floats(0, NOW_S),
    similarity=st.floats(-1, 1.000001),
)
ideas = st.none() | st.builds(KnownIdea, st.just("i"), st.just("Idea"), st.floats(-1, 1.000001))
evidences = st.builds(
    Evidence, templates=st.lists(facts, max_size=12).map(tuple), known_ideas=st.just(3), nearest_idea=ideas
)


def scored(evidence: Evidence) -> Scores:
    return scores_of(evidence, SAAS, NOW_S)


@given(evidences)
def test_every_score_is_0_to_100_and_explained(evidence: Evidence) -> None:
    scores = scored(evidence)
    values = (scores.revenue, scores.market_trend, scores.differentiation, scores.overall)
    assert all(0 <= value <= 100 and value == round(value, 1) for value in values)
    assert set(scores.explanation) == {
        "revenue_score",
        "market_trend_score",
        "differentiation_score",
        "overall_score",
    }


@given(evidences, st.randoms())
def test_the_order_of_the_evidence_does_not_matter(evidence: Evidence, random: Random) -> None:
    shuffled = list(evidence.templates)
    random.shuffle(shuffled)
    again, first = scored(replace(evidence, templates=tuple(shuffled))), scored(evidence)
    assert again.revenue == pytest.approx(first.revenue, abs=0.11)  # sums of floats in another order
    assert again.market_trend == pytest.approx(first.market_trend, abs=0.11)
    assert again.differentiation == first.differentiation
    assert again.success_metrics == first.success_metrics


@given(evidences, st.data())
def test_more_success_of_a_template_never_lowers_revenue(evidence: Evidence, data: st.DataObject) -> None:
    if not evidence.templates:
        return
    at = data.draw(st.integers(0, len(evidence.templates) - 1))
    old = evidence.templates[at]
    better = data.draw(st.floats(old.success_metrics["success_score"], 1))
    changed = replace(old, success_metrics={**old.success_metrics, "success_score": better})
    templates = (*evidence.templates[:at], changed, *evidence.templates[at + 1 :])
    assert scored(replace(evidence, templates=templates)).revenue >= scored(evidence).revenue


@given(evidences, st.floats(-1, 1))
def test_one_more_known_idea_never_makes_an_idea_more_different(
    evidence: Evidence, similarity: float
) -> None:
    nearest = max(similarity, evidence.nearest_idea.similarity if evidence.nearest_idea else -1.0)
    more = replace(evidence, nearest_idea=KnownIdea("new", "New", nearest))
    assert scored(more).differentiation <= scored(evidence).differentiation


@given(evidences)
def test_a_new_template_of_the_type_never_lowers_its_trend_where_the_type_has_none(
    evidence: Evidence,
) -> None:
    others = tuple(f for f in evidence.templates if f.business_type != SAAS)
    with_one = scored(replace(evidence, templates=(*others, fact())))
    assert with_one.market_trend >= scored(replace(evidence, templates=others)).market_trend


@given(evidences)
def test_overall_is_half_revenue_and_a_quarter_of_each_other(evidence: Evidence) -> None:
    scores = scored(evidence)
    expected = 0.5 * scores.revenue + 0.25 * scores.market_trend + 0.25 * scores.differentiation
    assert scores.overall == pytest.approx(expected, abs=0.051)


def test_without_evidence_nothing_is_known_and_all_is_new() -> None:
    scores = scored(Evidence())
    assert (scores.revenue, scores.market_trend, scores.differentiation, scores.overall) == (
        50,
        50,
        100,
        62.5,
    )
    assert scores.success_metrics == {}
    assert "nothing is known" in scores.explanation["revenue_score"]


def test_revenue_is_the_weighted_mean_with_half_a_template_of_50() -> None:
    """Two templates: (0.9 x 0.6 + 0.3 x 0.2 + 0.25) / (0.6 + 0.2 + 0.5)."""
    near = (with_success(0.9, 1, similarity=0.6), with_success(0.3, 2, similarity=0.2))
    scores = scored(Evidence(near))
    assert scores.revenue == round(100 * 0.85 / 1.3, 1)
    assert "Template 1 (success 0.9, similarity 0.60)" in scores.explanation["revenue_score"]


def test_only_the_five_most_similar_templates_count_for_revenue() -> None:
    near = [with_success(0.9, n, similarity=0.8) for n in range(NEIGHBOURS)]
    far = [with_success(0.0, 10 + n, similarity=0.79) for n in range(3)]
    assert scored(Evidence((*far, *near))).revenue == scored(Evidence(tuple(near))).revenue
    assert neighbours([*far, *near]) == near


def test_a_template_that_is_not_similar_says_nothing() -> None:
    assert (
        scored(Evidence((with_success(1.0, similarity=0.0), with_success(1.0, similarity=-0.4)))).revenue
        == 50
    )


def test_a_type_without_templates_has_no_trend() -> None:
    scores = scored(Evidence((fact(business_type=RETAIL),)))
    assert scores.market_trend == 0
    assert "no template of the type saas" in scores.explanation["market_trend_score"]


def test_trend_halves_its_recency_each_90_days() -> None:
    """The only type keeps its whole share: (0.5 + 1) / 2."""
    assert scored(Evidence((fact(updated_at_s=NOW_S - HALF_LIFE_S),))).market_trend == 75
    assert scored(Evidence((fact(updated_at_s=NOW_S + 60),))).market_trend == 100  # a clock that is ahead


def test_trend_shares_with_the_strongest_type() -> None:
    """One new template against two of another type: (1 + 1/2) / 2."""
    templates = (fact(1), fact(2, business_type=RETAIL), fact(3, business_type=RETAIL))
    assert scored(Evidence(templates)).market_trend == 75


def test_ages_beyond_floating_point_are_no_error() -> None:
    assert scored(Evidence((fact(updated_at_s=-1e15),))).market_trend == 0


def test_a_copy_is_not_different() -> None:
    """Neither of a known idea nor of a template; rounding above 1 does no harm."""
    assert (
        scored(Evidence(nearest_idea=KnownIdea("i", "Copy", 1.0000001), known_ideas=1)).differentiation == 0
    )
    scores = scored(Evidence((fact(similarity=1.0),)))
    assert scores.differentiation == 0
    assert "the template Template 0 (1.00)" in scores.explanation["differentiation_score"]


def test_goals_are_medians_of_what_at_least_half_of_the_neighbours_report() -> None:
    templates = (
        fact(1, success_metrics={"success_score": 0.9, "customers": 100, "rare": 1}),
        fact(2, success_metrics={"success_score": 0.7, "customers": 300}),
        fact(3, success_metrics={"success_score": 0.8}),
    )
    assert scored(Evidence(templates)).success_metrics == {"customers": 200, "success_score": 0.8}


def test_types_are_ranked_by_their_record_not_by_one_lucky_template() -> None:
    """One template of 0.9 counts less than five of 0.85; equals are ranked by name."""
    summaries = [
        TypeSummary(BusinessType("lucky"), 1, 0.9),
        TypeSummary(BusinessType("b_steady"), 5, 0.85),
        TypeSummary(BusinessType("a_steady"), 5, 0.85),
        TypeSummary(BusinessType("poor"), 9, 0.2),
    ]
    assert types_by_evidence(summaries) == ["a_steady", "b_steady", "lucky", "poor"]
    assert types_by_evidence([]) == []

"""Templates that can't be stored can't be built."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.records.templates import (
    MAX_METRICS,
    MAX_TEMPLATE_CHARS,
    BusinessType,
    TemplateDraft,
    TemplateQuery,
    business_type,
)
from tests.fake_business import SAAS, a_template


@pytest.mark.parametrize(
    ("raw", "one_spelling"),
    [
        ("saas", "saas"),
        (" SaaS ", "saas"),
        ("Mobile  App", "mobile_app"),
        ("e-commerce", "e-commerce"),
        ("STRASSE", "strasse"),
        ("cafe\u0301", "caf\u00e9"),
        ("コンサル", "コンサル"),
    ],
)
def test_a_type_has_one_spelling(raw: str, one_spelling: str) -> None:
    assert business_type(raw) == one_spelling
    assert business_type(one_spelling) == one_spelling


@pytest.mark.parametrize("raw", ["", "  ", "-x", "a/b", "a*", "a\0b", "x" * 65, "😀"])
def test_a_type_is_a_name(raw: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        business_type(raw)
    assert refused.value.param == "business_type"


@given(st.text(max_size=80))
def test_spelling_is_settled_after_one_time(raw: str) -> None:
    try:
        kind = business_type(raw)
    except InvalidRequest:
        return
    assert business_type(kind) == kind


def test_name_and_success_score_are_those_of_the_data() -> None:
    draft = a_template("  Two\nlines ", 0.5)
    assert (draft.name, draft.success_score) == ("Two lines", 0.5)
    assert pickle.loads(pickle.dumps(draft)) == draft


def deep(levels: int) -> Any:
    return {"x": deep(levels - 1)} if levels else "end"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": 3},
        {"name": " "},
        {"name": "x" * 201},
        {"name": "n", "text": "a\0b"},
        {"name": "n", "text": "half \ud83d of a character"},
        {"name": "n", "a\0b": 1},
        {"name": "n", "number": float("nan")},
        {"name": "n", "list": [float("inf")]},
        {"name": "n", "thing": object()},
        {"name": "n", "bytes": b"x"},
        {"name": "n", "text": "x" * MAX_TEMPLATE_CHARS},
        {"name": "n", "deep": deep(9)},
    ],
)
def test_data_that_is_no_storable_json_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        a_template(template_data=data)
    assert str(refused.value.param).startswith("template_data")


def test_any_other_json_is_taken() -> None:
    data = {"name": "n", "deep": deep(7), "list": [1, 2.5, None, True, "ü 😀", {"k": []}], "": "empty"}
    assert a_template(template_data=data).template_data == data


@pytest.mark.parametrize(
    ("metrics", "param"),
    [
        ({}, "success_metrics.success_score"),
        ({"success_score": -0.01}, "success_metrics.success_score"),
        ({"success_score": 1.01}, "success_metrics.success_score"),
        ({"success_score": float("nan")}, "success_metrics.success_score"),
        ({"success_score": True}, "success_metrics.success_score"),
        ({"success_score": "0.5"}, "success_metrics.success_score"),
        ({"success_score": 0.5, "customers": "many"}, "success_metrics.customers"),
        ({"success_score": 0.5, "revenue": float("inf")}, "success_metrics.revenue"),
        ({"success_score": 0.5, " ": 1}, "success_metrics"),
        ({"success_score": 0.5, "x" * 65: 1}, "success_metrics"),
        ({"success_score": 0.5} | {f"m{n}": 1 for n in range(MAX_METRICS)}, "success_metrics"),
    ],
)
def test_metrics_are_a_flat_map_of_numbers_with_a_success_score(metrics: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        a_template(success_metrics=metrics)
    assert refused.value.param == param


@pytest.mark.parametrize("score", [0, 1, 0.5])
def test_the_ends_of_the_success_scale_belong_to_it(score: float) -> None:
    assert a_template(score=score).success_score == score


def test_type_and_user_are_checked_too() -> None:
    with pytest.raises(InvalidRequest):
        TemplateDraft(BusinessType("a/b"), {"name": "n"}, {"success_score": 1})
    with pytest.raises(InvalidRequest):
        a_template(user_id=" ")


@pytest.mark.parametrize(
    ("bounds", "param"),
    [
        ({"min_success_score": -0.1}, "min_success_score"),
        ({"min_success_score": 1.1}, "min_success_score"),
        ({"min_success_score": float("nan")}, "min_success_score"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 51}, "top_k"),
        ({"user_id": " "}, "user_id"),
        ({"user_id": "a\0b"}, "user_id"),
        ({"user_id": "\ud800"}, "user_id"),
    ],
)
def test_a_query_has_bounds(bounds: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        TemplateQuery(TenantId("acme"), SAAS, **bounds)
    assert refused.value.param == param

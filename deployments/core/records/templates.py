"""Business templates: businesses that were tried, and their results."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType

from deployments.core.documents import as_wordings
from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.limits import DEFAULT_TOP_K, MAX_TOP_K, MAX_USER_ID_CHARS
from deployments.core.texts import check_text

MAX_NAME_CHARS = 200
"""A template's name is its document's title, which every segment of the document contains."""
MAX_TEMPLATE_CHARS = 32_768
MAX_TEMPLATE_DEPTH = 8
MAX_METRICS = 64
MAX_METRIC_CHARS = 64
SUCCESS_SCORE = "success_score"
DEFAULT_MIN_SUCCESS = 0.7

BusinessType = NewType("BusinessType", str)
"""A kind of business, such as `saas`; the section of its templates' documents."""

_TYPE = re.compile(r"\w[\w-]{0,63}")


def business_type(raw: str) -> BusinessType:
    """One spelling of a type: "Mobile App" is `mobile_app`. Raises: InvalidRequest."""
    joined = "_".join(unicodedata.normalize("NFC", raw).casefold().split())
    if not _TYPE.fullmatch(joined):
        rule = "1-64 letters, digits, _ and -, first a letter or digit"
        raise InvalidRequest(f"business_type must be {rule}", "business_type")
    return BusinessType(joined)


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    """A template to store. Raises InvalidRequest on values that can't be stored."""

    business_type: BusinessType
    template_data: Mapping[str, Any]
    """JSON with a `name`."""
    success_metrics: Mapping[str, float]
    """`success_score`, 0..1, and any other numbers."""
    user_id: str | None = None
    """The user that it is stored for; None: for all."""

    def __post_init__(self) -> None:
        business_type(self.business_type)
        _check_data(self.template_data)
        _check_metrics(self.success_metrics)
        if self.user_id is not None:
            check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)

    @property
    def name(self) -> str:
        """The template's name, in one line."""
        return " ".join(self.template_data["name"].split())

    @property
    def success_score(self) -> float:
        """How well the business did, 0..1."""
        return self.success_metrics[SUCCESS_SCORE]


@dataclass(frozen=True, slots=True)
class Template:
    """A stored template."""

    tenant: TenantId
    template_id: str
    draft: TemplateDraft
    version: int
    """From 1; each change raises it."""
    created_at_s: float
    """Unix seconds."""
    updated_at_s: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class TemplateQuery:
    """Asks for the best templates: highest success score first, of equal ones the latest changed first.

    Raises InvalidRequest on a value out of bounds and on an invalid user id.
    """

    tenant: TenantId
    business_type: BusinessType | None
    """None: all types."""
    min_success_score: float = DEFAULT_MIN_SUCCESS
    top_k: int = DEFAULT_TOP_K
    """Most templates to return."""
    user_id: str | None = None
    """Leaves out templates that are stored for another user, but not those without a user. None: all."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_success_score <= 1:
            raise InvalidRequest("min_success_score must be 0 to 1", "min_success_score")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidRequest(f"top_k must be 1 to {MAX_TOP_K}", "top_k")
        if self.user_id is not None:
            check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)


def _check_data(data: Mapping[str, Any]) -> None:
    name = data.get("name")
    if not isinstance(name, str):
        raise InvalidRequest("template_data must have a name, a text", "template_data.name")
    check_text(name, "template_data.name", MAX_NAME_CHARS)
    _check_json(data, MAX_TEMPLATE_DEPTH)
    if len(json.dumps(data, ensure_ascii=False)) > MAX_TEMPLATE_CHARS:
        raise InvalidRequest(
            f"template_data must have at most {MAX_TEMPLATE_CHARS} characters as JSON", "template_data"
        )


def template_wordings(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The wordings in `asked_as` of a template's data. Raises InvalidRequest if it is no list of texts.

    Checked when a template comes in, not when one is read: older databases may hold anything there.
    """
    value, param = data.get("asked_as", []), "template_data.asked_as"
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InvalidRequest(f"{param} must be a list of texts", param)
    return as_wordings(value, param)


def _check_json(value: object, depth: int) -> None:
    """Raises InvalidRequest on unstorable texts, infinite numbers and more than `depth` levels."""
    if depth < 0:
        raise InvalidRequest(
            f"template_data must not be deeper than {MAX_TEMPLATE_DEPTH} levels", "template_data"
        )
    match value:
        case str():
            check_text(value, "template_data", MAX_TEMPLATE_CHARS, may_be_empty=True)
        case Mapping():
            for key, inner in value.items():
                _check_json(str(key), depth)
                _check_json(inner, depth - 1)
        case list() | tuple():
            for inner in value:
                _check_json(inner, depth - 1)
        case None | bool() | int():
            pass
        case float() if math.isfinite(value):
            pass
        case _:
            raise InvalidRequest(
                "template_data must be JSON: texts, numbers, lists, objects", "template_data"
            )


def _check_metrics(metrics: Mapping[str, Any]) -> None:
    if len(metrics) > MAX_METRICS:
        raise InvalidRequest(f"success_metrics must have at most {MAX_METRICS} entries", "success_metrics")
    for name, value in metrics.items():
        param = f"success_metrics.{name[:MAX_METRIC_CHARS]}"
        check_text(name, "success_metrics", MAX_METRIC_CHARS)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidRequest(f"{param} must be a number", param)
    if not 0 <= metrics.get(SUCCESS_SCORE, -1) <= 1:
        raise InvalidRequest(
            "success_metrics must have a success_score of 0 to 1", "success_metrics.success_score"
        )

"""The form in which the model writes an idea: one definition for the engine, which samples only what fits
it, and for reading the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from deployments.core.errors import InvalidRequest
from deployments.core.records.ideas import IdeaText
from deployments.core.texts import check_text

_MAX_CHARS = 300


class UnusableIdea(Exception):
    """What the model wrote is no idea: "truncated", "not_json", "schema" (it has another form) or "blank"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _IdeaForm(BaseModel):
    # Bounds keep a small model, which does not know when to stop, within the room for its answer.
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(min_length=3, max_length=60)]
    description: Annotated[str, StringConstraints(min_length=20, max_length=_MAX_CHARS)]
    target_audience: Annotated[str, StringConstraints(min_length=3, max_length=120)]
    monetization_model: Annotated[str, StringConstraints(min_length=3, max_length=120)]
    mvp_features: list[Annotated[str, StringConstraints(min_length=3, max_length=80)]] = Field(
        min_length=3, max_length=5
    )
    tech_stack: list[Annotated[str, StringConstraints(min_length=1, max_length=30)]] = Field(
        min_length=2, max_length=6
    )


IDEA_SCHEMA = json.dumps(_IdeaForm.model_json_schema())
"""JSON Schema of what the model writes."""


def parse_idea(text: str, finish_reason: str) -> IdeaText:
    """The idea in an answer that ended for `finish_reason`. Raises UnusableIdea."""
    try:
        form = _IdeaForm.model_validate_json(text)
    except ValidationError as error:
        if {found["type"] for found in error.errors(include_url=False)} != {"json_invalid"}:
            raise UnusableIdea("schema") from None
        raise UnusableIdea("truncated" if finish_reason == "length" else "not_json") from None
    return IdeaText(
        name=_line(form.name),
        description=_line(form.description),
        target_audience=_line(form.target_audience),
        monetization_model=_line(form.monetization_model),
        mvp_features=tuple(map(_line, form.mvp_features)),
        tech_stack=tuple(map(_line, form.tech_stack)),
    )


def example_of(data: Mapping[str, Any]) -> str | None:
    """A template in the form of an idea, to show the model what to write; None where it has not all parts."""
    try:
        return _IdeaForm(
            name=_short(data["name"], 60),
            description=_short(data.get("description") or data["summary"], _MAX_CHARS),
            target_audience=_short(data["target_audience"], 120),
            monetization_model=_short(data["monetization_model"], 120),
            mvp_features=[_short(feature, 80) for feature in data["mvp_features"][:5]],
            tech_stack=[_short(part, 30) for part in data["tech_stack"][:6]],
        ).model_dump_json()
    except (KeyError, TypeError, AttributeError, ValidationError):
        return None  # templates are what their owners made them


def _short(text: str, max_chars: int) -> str:
    """Whole words."""
    return text if len(text) <= max_chars else text[: max_chars + 1].rsplit(maxsplit=1)[0][:max_chars]


def _line(text: str) -> str:
    """In one line. The form can't exclude a text of blanks, or one that no database holds."""
    line = " ".join(text.split())
    try:
        check_text(line, "idea", _MAX_CHARS)
    except InvalidRequest:
        raise UnusableIdea("blank") from None
    return line

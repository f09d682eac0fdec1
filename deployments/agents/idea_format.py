"""The JSON form of an idea: the engine samples only what fits it, and answers are checked against it."""

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
    """The answer is no idea. `reason` is "truncated", "not_json", "schema" (another form) or "blank"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _IdeaForm(BaseModel):
    # The bounds keep a small model, which may not stop by itself, within `max_tokens`.
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
"""The form as a JSON Schema, for the engine."""


def parse_idea(text: str, finish_reason: str) -> IdeaText:
    """The idea in an answer's text. `finish_reason` is the answer's. Raises UnusableIdea."""
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
    """A template in the JSON form of an idea, as an example; None where a part is missing."""
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
        return None  # templates may contain anything


def _short(text: str, max_chars: int) -> str:
    """At most `max_chars` characters, cut after a word where possible."""
    return text if len(text) <= max_chars else text[: max_chars + 1].rsplit(maxsplit=1)[0][:max_chars]


def _line(text: str) -> str:
    """The text in one line. Raises UnusableIdea where it is blank or can't be stored."""
    line = " ".join(text.split())
    try:
        check_text(line, "idea", _MAX_CHARS)
    except InvalidRequest:
        raise UnusableIdea("blank") from None
    return line

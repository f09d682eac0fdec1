"""Bodies of business templates. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from deployments.core.business import (
    DEFAULT_MIN_SUCCESS,
    MAX_METRICS,
    MAX_USER_ID_CHARS,
    BusinessType,
    Template,
    TemplateDraft,
    business_type,
    template_wordings,
)
from deployments.core.errors import InvalidRequest
from deployments.core.limits import DEFAULT_TOP_K, MAX_ANSWER_TOKENS, MAX_TOP_K
from serve_app.http.answers import AnswerBody, AskBody
from serve_app.http.body import Body
from serve_app.http.moments import moment

ENABLE_MEMORY = Field(True, description="off: this call neither reads nor writes memory")


def _one_spelling(raw: object) -> object:
    try:
        return business_type(raw) if isinstance(raw, str) else raw
    except InvalidRequest as error:
        raise ValueError(error.message.removeprefix("business_type ")) from None


BusinessTypeField = Annotated[
    str,
    BeforeValidator(_one_spelling),
    Field(
        description="letters, digits, _ and -; case and blanks do not matter: `Mobile App` is `mobile_app`",
        examples=["saas"],
        min_length=1,
        max_length=200,
    ),
]


class RecallQuestion(AskBody):
    """Asks the model what a type's templates teach. `top_k` templates, the most successful ones, are read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"business_type": "saas", "max_tokens": 200}]})

    business_type: BusinessTypeField
    max_tokens: int = Field(1000, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")


class RecallAnswer(AnswerBody):
    """What the templates teach. A citation's score is the template's success score."""

    text_field = "templates"
    templates: str


class TemplateRequest(Body):
    """A business that was tried, and what came of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "business_type": "saas",
                    "template_data": {
                        "name": "RotaCare: shift planning for small clinics",
                        "summary": "Clinics plan shifts in spreadsheets and break rest-time rules.",
                        "target_audience": "Practice managers of clinics with 10 to 60 shift workers",
                        "monetization_model": "$79 a month and clinic",
                        "mvp_features": ["Spreadsheet import", "Check of rest-time rules", "Shift swaps"],
                        "tech_stack": ["Django", "PostgreSQL"],
                    },
                    "success_metrics": {"success_score": 0.88, "customers": 310},
                }
            ]
        }
    )

    business_type: BusinessTypeField
    template_data: dict[str, JsonValue] = Field(
        description="any JSON with a `name`; `asked_as` lists wordings under which people ask for it"
    )
    success_metrics: dict[str, Annotated[float, Field(allow_inf_nan=False, strict=True)]] = Field(
        max_length=MAX_METRICS, description="numbers; `success_score`, 0 to 1, is one of them"
    )
    user_id: str | None = Field(None, min_length=1, max_length=MAX_USER_ID_CHARS)

    def draft(self) -> TemplateDraft:
        """As a message. Raises: InvalidRequest."""
        kind = BusinessType(self.business_type)
        template_wordings(self.template_data)
        return TemplateDraft(kind, self.template_data, self.success_metrics, self.user_id)


class NewTemplateRequest(TemplateRequest):
    """A template to store; its id is chosen for it."""

    enable_memory: bool = Field(True, description="off: refused, since a template is stored in memory")


class TemplateFilter(Body):
    """Which templates to recall."""

    business_type: BusinessTypeField | None = None
    min_success_score: float = Field(DEFAULT_MIN_SUCCESS, ge=0, le=1)
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K)
    user_id: str | None = Field(
        None, description="leaves out what other users stored", min_length=1, max_length=MAX_USER_ID_CHARS
    )
    enable_memory: bool = Field(True, description="off: nothing is recalled")


class TemplateBody(BaseModel):
    """A stored template."""

    template_id: str
    business_type: str
    template_data: dict[str, Any]
    success_metrics: dict[str, float]
    user_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, template: Template) -> TemplateBody:
        """From the message."""
        draft = template.draft
        return cls(
            template_id=template.template_id,
            business_type=draft.business_type,
            template_data=dict(draft.template_data),
            success_metrics=dict(draft.success_metrics),
            user_id=draft.user_id,
            version=template.version,
            created_at=moment(template.created_at_s),
            updated_at=moment(template.updated_at_s),
        )


class TemplatesBody(BaseModel):
    """Recalled templates, best first."""

    templates: list[TemplateBody]

"""Business templates: asked about, stored, recalled."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from starlette.responses import Response

from deployments.agents.business import recall_query
from deployments.agents.specs import BUSINESS
from deployments.core.errors import InvalidRequest
from deployments.core.ids import Scope, TenantId, doc_id
from deployments.core.limits import DEFAULT_TOP_K, MAX_TOP_K
from deployments.core.records.templates import (
    DEFAULT_MIN_SUCCESS,
    MAX_METRICS,
    BusinessType,
    Template,
    TemplateDraft,
    TemplateQuery,
    business_type,
    template_wordings,
)
from serve_app.http.answers import EVENTS, AnswerBody, AskBody, answered
from serve_app.http.body import Body, FromCore
from serve_app.http.context import CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import AnswerTokens, Moment, RecordId, UserId, at_most
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once

router = APIRouter(prefix="/v1/business/templates", tags=["business"], responses=ERROR_RESPONSES)

_MISSING = error_responses({404: "No such template"})


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
    """Asks the model what a type's templates teach. It reads the `top_k` most successful templates."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"business_type": "saas", "max_tokens": 200}]})

    business_type: BusinessTypeField
    max_tokens: AnswerTokens = BUSINESS.max_tokens


class RecallAnswer(AnswerBody):
    """What the templates teach. A citation's score is the template's success score."""

    text_field = "templates"
    templates: str


class TemplateRequest(Body):
    """A business that was tried, and how it went."""

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
    success_metrics: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False, strict=True)]], at_most(MAX_METRICS)
    ] = Field(max_length=MAX_METRICS, description="numbers; `success_score`, 0 to 1, is one of them")
    user_id: UserId | None = None

    def draft(self) -> TemplateDraft:
        """The template to store. Raises: InvalidRequest."""
        kind = BusinessType(self.business_type)
        template_wordings(self.template_data)
        return TemplateDraft(kind, self.template_data, self.success_metrics, self.user_id)


class NewTemplateRequest(TemplateRequest):
    """A template to store; the application chooses its id."""

    enable_memory: bool = Field(True, description="false: refused, since a template is stored in memory")


class TemplateFilter(Body):
    """Which templates to recall."""

    business_type: BusinessTypeField | None = None
    min_success_score: float = Field(DEFAULT_MIN_SUCCESS, ge=0, le=1)
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K)
    user_id: UserId | None = Field(None, description="leaves out what other users stored")
    enable_memory: bool = Field(True, description="false: nothing is recalled")


class TemplateBody(FromCore, BaseModel):
    """A stored template."""

    template_id: str
    business_type: str
    template_data: dict[str, Any]
    success_metrics: dict[str, float]
    user_id: str | None
    version: int
    created_at: Moment
    updated_at: Moment

    @classmethod
    def from_template(cls, template: Template) -> TemplateBody:
        """The body of a template."""
        return cls.of(template, template.draft)


class TemplatesBody(BaseModel):
    """Recalled templates, best first."""

    templates: list[TemplateBody]


@router.post("/recall", response_model=RecallAnswer, responses=EVENTS)
async def recall_cached(body: RecallQuestion, parts: ServicesDep, call: CallDep) -> Response:
    """Says what the best templates of a type teach, as JSON or, with `stream`, as events."""
    kind = BusinessType(body.business_type)
    ask = body.ask(call, recall_query(kind), section=kind)
    return await answered(parts.agents[BUSINESS.name], ask, body, RecallAnswer, call.clock)


@router.post("", response_model=TemplateBody, status_code=201, responses=CREATED)
async def create(
    body: NewTemplateRequest, parts: ServicesDep, owner: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Stores a template, as record and as document: the very next recall finds it."""
    draft = body.draft()

    async def store(idempotency_key: str | None) -> BaseModel:
        if not body.enable_memory:
            raise InvalidRequest(
                "a template is stored in memory, which enable_memory switches off", "enable_memory"
            )
        return TemplateBody.from_template(await parts.business.add_template(owner, draft, idempotency_key))

    return await created_once(parts.idempotency, (owner, "templates.create"), key, body, store)


@router.get("")
async def recall(
    parts: ServicesDep, owner: TenantDep, wanted: Annotated[TemplateFilter, Query()]
) -> TemplatesBody:
    """Recalls the best templates of a type, or of all: those with the highest success score.

    Of equal ones, the latest changed comes first.
    """
    kind = None if wanted.business_type is None else BusinessType(wanted.business_type)
    query = TemplateQuery(owner, kind, wanted.min_success_score, wanted.top_k, wanted.user_id)
    found = await parts.business.recall_templates(query) if wanted.enable_memory else ()
    return TemplatesBody(templates=[TemplateBody.from_template(template) for template in found])


@router.get("/{template_id}", responses=_MISSING)
async def get(template_id: RecordId, parts: ServicesDep, owner: TenantDep) -> TemplateBody:
    """Reads a template."""
    return TemplateBody.from_template(await parts.business.get_template(owner, template_id))


@router.put("/{template_id}")
async def put(
    template_id: RecordId, body: TemplateRequest, parts: ServicesDep, owner: TenantDep
) -> TemplateBody:
    """Stores or replaces the template of an id; no answer uses the old one any more."""
    template = await parts.business.put_template(owner, doc_id(template_id), body.draft())
    if template.version > 1:
        parts.changed(_scope(owner), 1)
    return TemplateBody.from_template(template)


@router.delete("/{template_id}", status_code=204, responses=_MISSING)
async def delete(template_id: RecordId, parts: ServicesDep, owner: TenantDep) -> None:
    """Deletes a template; no answer and no idea uses it any more."""
    await parts.business.delete_template(owner, template_id)
    parts.changed(_scope(owner), 1)


def _scope(owner: TenantId) -> Scope:
    return Scope(owner, BUSINESS.collection)

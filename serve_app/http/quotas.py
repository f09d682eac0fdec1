"""Quotas of the tenant: their limits and what is used. The operator sets limits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from deployments.core.errors import Forbidden
from deployments.core.quotas import MAX_LIMIT, RULES, Quota, Used
from serve_app.http.body import Body
from serve_app.http.context import AccessDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import at_most
from serve_app.http.keys import ActorDep

router = APIRouter(prefix="/v1/quotas", tags=["quotas"], responses=ERROR_RESPONSES)

Limit = Annotated[int, Field(ge=0, le=MAX_LIMIT)]


class QuotaBody(BaseModel):
    """A quota. `resets_in_s` is null without a window."""

    limit: int
    used: int
    resets_in_s: float | None


class QuotasBody(BaseModel):
    """All quotas of the tenant."""

    quotas: dict[Quota, QuotaBody]


class LimitsRequest(Body):
    """Limits to set; null sets the default again, and quotas that are not named keep theirs."""

    limits: Annotated[
        dict[Quota, Limit | None],
        at_most(len(Quota)),
        Field(min_length=1, examples=[{"requests_per_minute": 600, "prompt_tokens_per_day": None}]),
    ]


class LimitsBody(BaseModel):
    """All limits of the tenant."""

    limits: dict[Quota, int]


@router.get("")
async def show(parts: ServicesDep, owner: TenantDep) -> QuotasBody:
    """Shows the tenant's limits, and what it has used of them."""
    limits = await parts.limits.limits(owner)
    stored = {quota: Used(amount, 0.0) for quota, amount in (await parts.stored.stored(owner)).items()}
    used = {**await parts.spending.used(owner), **stored}
    return QuotasBody(quotas={quota: _shown(quota, limits[quota], used[quota]) for quota in Quota})


def _shown(quota: Quota, limit: int, used: Used) -> QuotaBody:
    resets_in_s = round(used.resets_in_s, 3) if RULES[quota].window_s else None
    return QuotaBody(limit=limit, used=used.amount, resets_in_s=resets_in_s)


@router.put("", responses=error_responses({409: "This server has no API keys"}))
async def change(
    body: LimitsRequest, parts: ServicesDep, owner: TenantDep, access: AccessDep, by: ActorDep
) -> LimitsBody:
    """Sets limits of the tenant in X-Business-Id. Only the operator's key may. Every replica knows them
    about 2 seconds later.
    """
    if not access.operator:
        raise Forbidden("only the operator's key (WARMLINE_API_KEYS=<key>=*) can set limits")
    return LimitsBody(limits=dict(await parts.limits.set_limits(by, owner, body.limits)))

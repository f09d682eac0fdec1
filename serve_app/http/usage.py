"""Usage of the tenant, or of all tenants, as JSON and CSV. Needs the scope `admin`."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from deployments.core.errors import Forbidden, InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.usage import MAX_DAYS, MAX_ROWS, UsageField, UsageQuery, UsageSum
from serve_app.http.context import AccessDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, Responses

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=ERROR_RESPONSES)
_EPOCH = date(1970, 1, 1)
_DEFAULT_DAYS = 30
_CSV: Responses = {
    200: {
        "description": "The sums; with `format=csv` as a table with one head line",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


class UsageRow(BaseModel):
    """A sum. What `by` does not name is summed, and null here."""

    day: date | None
    tenant: str | None
    key: str | None
    agent: str | None
    requests: int
    prompt_tokens_computed: int
    prompt_tokens_reused: int
    completion_tokens: int

    @classmethod
    def from_sum(cls, found: UsageSum) -> Self:
        """The row of a sum."""
        return cls(
            day=None if found.day is None else _EPOCH + timedelta(found.day),
            tenant=found.tenant,
            key=found.key,
            agent=found.agent,
            requests=found.amounts.requests,
            prompt_tokens_computed=found.amounts.computed_tokens,
            prompt_tokens_reused=found.amounts.reused_tokens,
            completion_tokens=found.amounts.completion_tokens,
        )


class UsageBody(BaseModel):
    """Sums, in the order of the fields that they are kept apart by."""

    usage: list[UsageRow]


@router.get("", response_model=UsageBody, responses=_CSV)
async def report(
    parts: ServicesDep,
    access: AccessDep,
    *,
    first: Annotated[date | None, Query(alias="from", description="null: 30 days ago")] = None,
    last: Annotated[date | None, Query(alias="to", description="included; null: today, in UTC")] = None,
    by: Annotated[list[UsageField], Query(max_length=len(UsageField), description="kept apart")] = [  # noqa: B006
        UsageField.DAY
    ],
    all_tenants: Annotated[bool, Query(description="the operator's key only")] = False,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response | UsageBody:
    """Sums what was used, by day (UTC), tenant, key and agent. The figures are a few seconds old."""
    if all_tenants and not access.operator:
        raise Forbidden("only the operator's key (WARMLINE_API_KEYS=<key>=*) can read all tenants' usage")
    query = _query(first, last, by, None if all_tenants else access.tenant)
    found = await parts.usage.usage(query)
    if len(found) > MAX_ROWS:
        raise InvalidRequest(f"the report has more than {MAX_ROWS} rows: shorten the period", "from")
    rows = [UsageRow.from_sum(one) for one in found]
    return Response(_csv(rows), media_type="text/csv") if format == "csv" else UsageBody(usage=rows)


def _query(
    first: date | None, last: date | None, by: list[UsageField], tenant: TenantId | None
) -> UsageQuery:
    last = last or datetime.now(UTC).date()
    if first is None:
        first = date.fromordinal(max(last.toordinal() - _DEFAULT_DAYS, 1))
    days = (last - first).days
    if not 0 <= days <= MAX_DAYS:
        raise InvalidRequest(f"from must be at most {MAX_DAYS} days before to, and not after it", "from")
    fields = tuple(field for field in UsageField if field in by)
    return UsageQuery((first - _EPOCH).days, (last - _EPOCH).days, fields, tenant)


def _csv(rows: list[UsageRow]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, list(UsageRow.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump(mode="json") for row in rows)
    return table.getvalue()

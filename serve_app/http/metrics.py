"""The metrics of the whole application, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from deployments.core.errors import Forbidden
from serve_app.http.context import AccessDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, Responses
from serve_app.metrics.exposition import CONTENT_TYPE

_TEXT: Responses = {
    200: {"description": "The metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}
}

router = APIRouter(tags=["metrics"], responses=ERROR_RESPONSES)


@router.get("/metrics", response_class=Response, responses=_TEXT)
async def metrics(parts: ServicesDep, access: AccessDep) -> Response:
    """Shows the metrics of all nodes, in Prometheus's text format. With API keys, the operator's is needed:
    metrics add up what all tenants do.
    """
    if not access.operator:
        raise Forbidden("only the operator's key (WARMLINE_API_KEYS=<key>=*) can read metrics")
    return Response(
        await parts.metrics(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    )

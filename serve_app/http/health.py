"""Liveness and readiness."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from serve_app.http.context import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/health", include_in_schema=False)  # vLLM's path, which load generators use
@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Says that the HTTP front answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Some part is not ready; the body says which"}})
async def readyz(parts: ServicesDep) -> Response:
    """Says whether questions can be answered now: whether engine and knowledge base are ready."""
    report = await parts.readiness.report()
    ready = all(state == "ready" for state in report.values())
    return JSONResponse({"ready": ready, "parts": report}, 200 if ready else 503)

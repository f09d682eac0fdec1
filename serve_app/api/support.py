"""Questions to the support agent."""

from fastapi import APIRouter
from starlette.responses import Response

from deployments.core.messages import Ask
from serve_app.api.answering import EVENTS, answered
from serve_app.api.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.schemas import ERROR_RESPONSES, SupportAnswer, SupportQuestion

router = APIRouter(prefix="/v1/support", tags=["support"], responses=ERROR_RESPONSES)


@router.post("/answer", response_model=SupportAnswer, responses=EVENTS)
async def answer(
    body: SupportQuestion, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep, clock: ClockDep
) -> Response:
    """Answers a question from the support knowledge base, as JSON or, with `stream`, as events."""
    ask = Ask(
        tenant=owner,
        query=body.query,
        request_id=request_id,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    return await answered(parts.agents["support"], ask, body, SupportAnswer, clock)

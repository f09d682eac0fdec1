"""Questions to the support agent."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from serve_app.api.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.schemas import ERROR_RESPONSES, AnswerBody, SupportQuestion
from serve_app.sse import event_stream

router = APIRouter(prefix="/v1/support", tags=["support"], responses=ERROR_RESPONSES)


@router.post("/answer", response_model=AnswerBody, response_model_exclude_unset=True)
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

    def ledger(complete: Answer) -> object:
        shown = AnswerBody.of(complete, body.return_token_ids)
        return shown.model_dump(exclude=None if body.return_token_ids else {"prompt_token_ids", "token_ids"})

    agent = parts.agents["support"]
    if body.stream:
        return await event_stream(agent.stream(ask), clock, ledger)
    return JSONResponse(ledger(clock.stamp(await agent.answer(ask))))

"""The token cache: its figures, what it makes of a question, and clearing it."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from deployments.core.errors import InvalidRequest, NotFound
from deployments.core.ids import RequestId, Scope
from deployments.core.messages import Ask
from serve_app.http.answering import EVENTS, answered
from serve_app.http.cache_bodies import (
    CacheStatsBody,
    ClearedBody,
    ClearRequest,
    ResetBody,
    ResetRequest,
    WarmedBody,
    WarmRequest,
)
from serve_app.http.context import ClockDep, RequestIdDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.http.prompts import GeneratedAnswer, GenerateRequest, TokensBody, TokensRequest
from serve_app.services import Agent, Services

router = APIRouter(
    prefix="/v1/cache",
    tags=["cache"],
    responses={**ERROR_RESPONSES, 404: {"model": ErrorBody, "description": "No such agent"}},
)


@router.get("/stats")
async def stats(parts: ServicesDep, owner: TenantDep) -> dict[str, CacheStatsBody]:
    """The tenant's figures for each agent, in the whole cluster, counted and measured now."""
    return {name: CacheStatsBody.of(await agent.cache_stats(owner)) for name, agent in parts.agents.items()}


@router.post("/stats/reset")
async def reset(body: ResetRequest, parts: ServicesDep, owner: TenantDep) -> ResetBody:
    """Starts the tenant's counters anew; what is cached stays."""
    agents = _agents(parts, body.agent)
    for agent in agents.values():
        await agent.reset_stats(owner)
    return ResetBody(reset=list(agents))


@router.post("/tokens")
async def tokens(
    body: TokensRequest, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep, clock: ClockDep
) -> TokensBody:
    """The ids of the prompt that a question would be answered with; nothing is generated or counted."""
    ask = Ask(
        tenant=owner,
        query=body.query,
        request_id=request_id,
        top_k=body.top_k,
        section=body.section,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    return TokensBody.of(await _agents(parts, body.agent)[body.agent].retrieve_tokens(ask))


@router.post("/generate", response_model=GeneratedAnswer, responses=EVENTS)
async def generate(
    body: GenerateRequest, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep, clock: ClockDep
) -> Response:
    """Answers a free question from any agent's documents, as JSON or, with `stream`, as events."""
    ask = Ask(
        tenant=owner,
        query=body.query,
        request_id=request_id,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        share_answer=body.share_answer,
        section=body.section,
        deadline_s=parts.settings.request_timeout_s,
        arrived_unix_s=clock.arrived_unix_s,
    )
    agent = _agents(parts, body.agent)[body.agent]
    return await answered(agent, ask, body, GeneratedAnswer, clock)


@router.post("/warm")
async def warm(
    body: WarmRequest, parts: ServicesDep, owner: TenantDep, request_id: RequestIdDep
) -> dict[str, WarmedBody]:
    """Prefills prompts, so that the first one to ask does not wait for it. Figures by agent."""
    if body.questions and body.agent is None:
        raise InvalidRequest("questions need an agent to answer them", "agent")
    asks = [
        Ask(
            tenant=owner,
            query=question,
            request_id=RequestId(f"{request_id}-{number}"),
            top_k=body.top_k,
            deadline_s=parts.settings.request_timeout_s,
        )
        for number, question in enumerate(body.questions)
    ]
    agents = _agents(parts, body.agent)
    return {name: WarmedBody.of(await agent.warm(owner, asks)) for name, agent in agents.items()}


@router.post("/clear")
async def clear(body: ClearRequest, parts: ServicesDep, owner: TenantDep) -> ClearedBody:
    """Deletes the tenant's cached token ids; the next questions tokenize anew.

    `cleared` counts the entries of the shared cache; each replica's own copies are dropped as well.
    """
    agents = _agents(parts, body.agent)
    collection = None if body.agent is None else parts.collections[body.agent]
    if body.pattern is None:
        cleared = await parts.cache.clear(owner, collection)
    elif collection is None:
        raise InvalidRequest("pattern needs an agent: it names documents of its collection", "pattern")
    else:
        cleared = await parts.library.discard_segments(Scope(owner, collection), body.pattern)
    for agent in agents.values():
        await agent.clear_local(owner)
    return ClearedBody(cleared=cleared)


def _agents(parts: Services, name: str | None) -> Mapping[str, Agent]:
    """The agent of a name, or all. Raises: NotFound."""
    if name is None:
        return parts.agents
    if name not in parts.agents:
        raise NotFound(f"there is no agent {name!r}; there are: {', '.join(parts.agents)}", "agent")
    return {name: parts.agents[name]}

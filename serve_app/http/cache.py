"""The caches: their statistics, warming and clearing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Self

import fastapi
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.cache_history import History, ReuseCounts
from deployments.core.errors import InvalidRequest, NotFound
from deployments.core.ids import RequestId, Scope
from deployments.core.limits import DEFAULT_TOP_K, MAX_TOP_K
from deployments.core.messages import Warmed
from deployments.core.services import Agent
from serve_app.http.answers import CacheStatsBody
from serve_app.http.body import Body, FromCore
from serve_app.http.context import CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import AgentName, QueryText
from serve_app.services import Services

router = APIRouter(
    prefix="/v1/cache",
    tags=["cache"],
    responses=ERROR_RESPONSES | error_responses({404: "No such agent"}),
)

_COUNTS = [field.name for field in fields(ReuseCounts)]


class ClearRequest(Body):
    """Which entries to delete: those of one agent, or the tenant's entries of all agents.

    With a `pattern`, only those of the agent's documents whose ids match it.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "documentation", "pattern": "api-*"}]}
    )

    agent: AgentName | None = None
    pattern: str | None = Field(
        None,
        max_length=200,
        description="a glob of document ids: `*`, `?`, `[abc]`, `[!abc]`; needs an `agent`",
    )


class ClearedBody(BaseModel):
    """How many cached segments were deleted."""

    cleared: int


class WarmRequest(Body):
    """What to prefill in advance: the prompts of `questions`, which need an `agent`. Without questions,
    what the tenant asks most of the agent, or of all agents, in every engine replica.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "support", "questions": ["How do I reset my password?"]}]}
    )

    agent: AgentName | None = None
    questions: list[QueryText] = Field([], max_length=50, fail_fast=True)
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K, description="passages of each question")


@dataclass(frozen=True, slots=True)
class WarmedBody(FromCore, Warmed):
    """How many prompts are in the engines' caches now, and how many of their tokens were computed
    (`prefilled_tokens`) or were there before (`cached_tokens`).

    Each engine replica counts for itself.
    """


class SeriesBody(BaseModel):
    """Sums of a span's steps, oldest first: `begin_unix_s` is when the first one began, and the last one has
    not ended yet. Segments are those of documents; `ttft_ms` is a mean, null without answers.
    """

    step_s: int
    begin_unix_s: int
    answers: list[int]
    segments_found: list[int]
    segments_tokenized: list[int]
    prompt_tokens: list[int]
    kv_cached_tokens: list[int]
    ttft_ms: list[float | None]

    @classmethod
    def of(cls, history: History) -> Self:
        """The series of a history."""
        sums = {name: [getattr(step, name) for step in history.steps] for name in _COUNTS}
        means = [round(one.ttft_ms / one.answers, 1) if one.answers else None for one in history.steps]
        return cls(step_s=history.step_s, begin_unix_s=history.begin_unix_s, **{**sums, "ttft_ms": means})


class HistoryBody(BaseModel):
    """What answers reused: in the last hour by minute, in the last day by ten minutes."""

    hour: SeriesBody
    day: SeriesBody


class ResetRequest(Body):
    """Whose counters to reset: one agent's, or those of all agents."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent": "support"}]})

    agent: AgentName | None = None


class ResetBody(BaseModel):
    """The agents whose counters were reset."""

    reset: list[str]


@router.get("/stats")
async def stats(parts: ServicesDep, owner: TenantDep) -> dict[str, CacheStatsBody]:
    """Shows the tenant's figures for each agent, in the whole cluster, counted and measured now."""
    return {name: CacheStatsBody.of(await agent.cache_stats(owner)) for name, agent in parts.agents.items()}


@router.get("/history")
async def history(parts: ServicesDep, owner: TenantDep) -> dict[str, HistoryBody]:
    """Shows what answers to the tenant reused during the last hour and day, for each agent, in the whole
    cluster.
    """
    found = {name: await parts.reused.history(Scope(owner, of)) for name, of in parts.collections.items()}
    return {
        name: HistoryBody(hour=SeriesBody.of(one.hour), day=SeriesBody.of(one.day))
        for name, one in found.items()
    }


@router.post("/stats/reset")
async def reset(
    body: Annotated[ResetRequest, fastapi.Body(default_factory=ResetRequest)],
    parts: ServicesDep,
    owner: TenantDep,
) -> ResetBody:
    """Sets the tenant's counters to zero; what is cached stays."""
    agents = agents_named(parts, body.agent)
    for agent in agents.values():
        await agent.reset_stats(owner)
    return ResetBody(reset=list(agents))


@router.post("/warm")
async def warm(
    body: Annotated[WarmRequest, fastapi.Body(default_factory=WarmRequest)], parts: ServicesDep, call: CallDep
) -> dict[str, WarmedBody]:
    """Prefills prompts, so that their first question does not wait for it. Returns figures by agent."""
    if body.questions and body.agent is None:
        raise InvalidRequest("questions need an agent to answer them", "agent")
    asks = [
        replace(call.ask(question, body.top_k), request_id=RequestId(f"{call.request_id}-{number}"))
        for number, question in enumerate(body.questions)
    ]
    agents = agents_named(parts, body.agent)
    return {name: WarmedBody.of(await agent.warm(call.tenant, asks)) for name, agent in agents.items()}


@router.post("/clear")
async def clear(
    body: Annotated[ClearRequest, fastapi.Body(default_factory=ClearRequest)],
    parts: ServicesDep,
    owner: TenantDep,
) -> ClearedBody:
    """Deletes the tenant's cached token ids and search results; the next questions are searched for again.

    `cleared` counts the entries of the shared cache; each replica's own copies are dropped as well.
    """
    agents = agents_named(parts, body.agent)
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


def agents_named(parts: Services, name: str | None) -> Mapping[str, Agent]:
    """The agent of this name, or all agents. Raises: NotFound."""
    if name is None:
        return parts.agents
    if name not in parts.agents:
        raise NotFound(f"there is no agent {name!r}; there are: {', '.join(parts.agents)}", "agent")
    return {name: parts.agents[name]}

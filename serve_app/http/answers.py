"""Questions to agents and their answers: the bodies, and how an answer is sent as JSON or as events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from deployments.core.cache_figures import CacheStats
from deployments.core.conversations import Continuation
from deployments.core.ledger import Answer, Citation, ConversationUse, Reuse
from deployments.core.limits import DEFAULT_TOP_K, MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K
from deployments.core.messages import Ask
from deployments.core.services import Agent
from deployments.core.token_ids import from_bytes
from deployments.records.record_ids import new_record_id
from serve_app.edge import EdgeClock
from serve_app.http.body import FromCore
from serve_app.http.context import Call
from serve_app.http.error_bodies import Responses
from serve_app.http.fields import AnswerTokens, ConversationId
from serve_app.http.filters import Filtered
from serve_app.sse import NamedEvents, event_stream

_EVENT = {
    "type": "object",
    "description": "One event; `data` is JSON, or [DONE] in the last event, whose type is `message`",
    "properties": {"event": {"enum": ["delta", "ledger", "error", "message"]}, "data": {"type": "string"}},
    "required": ["data"],
}
EVENTS: Responses = {
    200: {
        "description": "The answer; with `stream`, as events",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}
"""`responses` of a route whose answers can be streamed."""


class AskBody(Filtered):
    """What a question to any agent can say."""

    max_tokens: AnswerTokens
    """Each kind of question has the default of its agent."""
    top_k: int = Field(
        DEFAULT_TOP_K,
        ge=1,
        le=MAX_TOP_K,
        description="passages to answer from; up to three further ones of the same documents are added",
    )
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")
    seed: int | None = Field(None, ge=-MAX_SEED, le=MAX_SEED)
    share_answer: bool | None = Field(
        None,
        description="true: the answer to an equal greedy request may be given again; null: as configured",
    )
    conversation_id: ConversationId | None = Field(
        None, description="continues this conversation, which POST /v1/conversations has begun"
    )
    stream: bool = Field(False, description="server-sent events: `delta`s, then `ledger`, then [DONE]")
    return_token_ids: bool = Field(False, description="true: the response has the ids of prompt and answer")

    def ask(self, call: Call, query: str, section: str | None = None) -> Ask:
        """The question to the agent."""
        return replace(
            call.ask(query, self.top_k, section),
            only=self.only(),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
            share_answer=self.share_answer,
            continues=None
            if self.conversation_id is None
            else Continuation(new_turn_id(), self.conversation_id),
        )


@dataclass(frozen=True, slots=True)
class CacheStatsBody(FromCore, CacheStats):
    """Counters of one agent's token cache in the whole cluster. Rates are percent.

    Latencies are means from the question to its prompt's ids. What Redis holds was measured
    `measured_s_ago` seconds ago; the three are null before that.
    """


@dataclass(frozen=True, slots=True)
class CitationBody(FromCore, Citation):
    """A document that the answer was given from, in rank order."""


@dataclass(frozen=True, slots=True)
class ReuseBody(FromCore, Reuse):
    """What this answer reused. `segments` = `l1` + `redis` + `tokenized`, counting document segments."""


@dataclass(frozen=True, slots=True)
class ConversationUseBody(FromCore, ConversationUse):
    """What the prompt has of its conversation. GET /v1/responses/{turn_id} shows the stored turn."""


class AnswerBody(FromCore, BaseModel):
    """An answer with its ledger: the same fields in every case, besides the field with the text."""

    text_field: ClassVar[str] = ""
    """The field that has the answer's text; each agent has a name of its own for it."""

    finish_reason: str
    cache_hit: bool
    cache_available: bool
    cache_error: str | None
    latency_ms: float
    context_tokens: int
    query_tokens: int
    total_tokens: int
    cache_stats: CacheStatsBody
    citations: list[CitationBody]
    reuse: ReuseBody
    timings_ms: dict[str, float]
    request_id: str
    searched_as: str
    conversation: ConversationUseBody | None
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None


def new_turn_id() -> str:
    """An id for a turn of a conversation: OpenAI's clients know it as a response's."""
    return f"resp_{new_record_id()}"


async def answered(
    agent: Agent, ask: Ask, body: AskBody, shape: type[AnswerBody], clock: EdgeClock
) -> Response:
    """The agent's answer to `ask`, sent as `body` wants it: as JSON or, with `stream`, as events."""

    def ledger(complete: Answer) -> object:
        return _shown(complete, shape, body.return_token_ids)

    if body.stream:
        return await event_stream(clock, NamedEvents(ledger), agent.stream(ask))
    return JSONResponse(ledger(clock.stamp(await agent.answer(ask))))


def _shown(answer: Answer, shape: type[AnswerBody], with_ids: bool) -> dict[str, Any]:
    """The JSON of an answer. Its text comes first; ids that were not asked for are left out."""
    others: dict[str, object] = {shape.text_field: answer.text}
    if with_ids:
        others["prompt_token_ids"] = from_bytes(answer.prompt_ids).tolist()
        others["token_ids"] = from_bytes(answer.answer_ids).tolist()
    shown = shape.of(answer, **others).model_dump(exclude_unset=True)
    return {shape.text_field: shown.pop(shape.text_field), **shown}

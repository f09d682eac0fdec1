"""Any agent's prompts: their token ids alone, or with an answer."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.core.ledger import PromptTokens
from deployments.core.limits import DEFAULT_ANSWER_TOKENS, DEFAULT_TOP_K, MAX_TOP_K
from deployments.core.messages import SegmentSource
from deployments.core.token_ids import from_bytes
from serve_app.http.answers import EVENTS, AnswerBody, AskBody, CitationBody, answered
from serve_app.http.body import FromCore
from serve_app.http.cache import agents_named
from serve_app.http.context import CallDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import AgentName, AnswerTokens, QueryText, SectionName
from serve_app.http.filters import Filtered

router = APIRouter(
    prefix="/v1/cache",
    tags=["cache"],
    responses=ERROR_RESPONSES | error_responses({404: "No such agent"}),
)


class TokensRequest(Filtered):
    """A question whose prompt is wanted."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "support", "query": "How do I reset my password?"}]}
    )

    agent: AgentName
    query: QueryText
    top_k: int = Field(
        DEFAULT_TOP_K,
        ge=1,
        le=MAX_TOP_K,
        description="passages to answer from; up to three further ones of the same documents are added",
    )
    section: SectionName | None = None


class PromptRequest(AskBody):
    """A question to any agent, answered from its documents."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "business", "query": "What makes a shop succeed?"}]}
    )

    agent: AgentName
    query: QueryText
    max_tokens: AnswerTokens = DEFAULT_ANSWER_TOKENS
    section: SectionName | None = None


class GeneratedAnswer(AnswerBody):
    """Any agent's answer."""

    text_field = "response"
    response: str


class TokensMetadata(FromCore, BaseModel):
    """What a prompt was made of.

    `sources` says of each of the `segments` of documents, in rank order, where its ids came from; `dropped`
    names the documents that there was no room for. `cache_error` says why the shared cache was bypassed.
    """

    citations: list[CitationBody]
    context_tokens: int
    query_tokens: int
    segments: int
    sources: list[SegmentSource]
    order: str
    dropped: list[str]
    cache_error: str | None


class TokensBody(BaseModel):
    """A prompt as the engine would get it; no ids when no documents were found to answer from."""

    token_ids: list[int]
    metadata: TokensMetadata

    @classmethod
    def from_prompt(cls, prompt: PromptTokens) -> TokensBody:
        """The body of a prompt."""
        metadata = TokensMetadata.of(prompt, segments=len(prompt.sources))
        return cls(token_ids=from_bytes(prompt.ids).tolist(), metadata=metadata)


@router.post("/tokens")
async def tokens(body: TokensRequest, parts: ServicesDep, call: CallDep) -> TokensBody:
    """Shows the ids of the prompt that a question would be answered with.

    Nothing is generated, and no counter changes.
    """
    agent = agents_named(parts, body.agent)[body.agent]
    ask = replace(call.ask(body.query, body.top_k, body.section), only=body.only())
    return TokensBody.from_prompt(await agent.retrieve_tokens(ask))


@router.post("/generate", response_model=GeneratedAnswer, responses=EVENTS)
async def generate(body: PromptRequest, parts: ServicesDep, call: CallDep) -> Response:
    """Answers a free question from any agent's documents, as JSON or, with `stream`, as events."""
    agent = agents_named(parts, body.agent)[body.agent]
    return await answered(agent, body.ask(call, body.query, body.section), body, GeneratedAnswer, call.clock)

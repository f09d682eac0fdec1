"""Bodies about any agent's prompts: their token ids alone, or with an answer."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.ledger import PromptTokens
from deployments.core.limits import DEFAULT_TOP_K, MAX_ANSWER_TOKENS, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import SegmentSource
from deployments.core.token_ids import from_bytes
from serve_app.http.answers import AnswerBody, AskBody, CitationBody
from serve_app.http.body import Body


class TokensRequest(Body):
    """A question whose prompt is wanted."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "support", "query": "How do I reset my password?"}]}
    )

    agent: str
    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MAX_TOP_K, description="passages to answer from")
    section: str | None = Field(None, description="confines the passages to one section of documents")


class GenerateRequest(AskBody):
    """A question to any agent, answered from its documents."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"agent": "business", "query": "What makes a shop succeed?"}]}
    )

    agent: str
    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    max_tokens: int = Field(1024, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")
    section: str | None = Field(None, description="confines the passages to one section of documents")


class GeneratedAnswer(AnswerBody):
    """Any agent's answer."""

    text_field = "response"
    response: str


class TokensMetadata(BaseModel):
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
    """A prompt as the engine would get it; no ids where there is nothing to answer from."""

    token_ids: list[int]
    metadata: TokensMetadata

    @classmethod
    def of(cls, prompt: PromptTokens) -> TokensBody:
        """From the message."""
        metadata = TokensMetadata(
            citations=[CitationBody(**asdict(citation)) for citation in prompt.citations],
            context_tokens=prompt.context_tokens,
            query_tokens=prompt.query_tokens,
            segments=len(prompt.sources),
            sources=list(prompt.sources),
            order=prompt.order,
            dropped=list(prompt.dropped),
            cache_error=prompt.cache_error,
        )
        return cls(token_ids=from_bytes(prompt.ids).tolist(), metadata=metadata)

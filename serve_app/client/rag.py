"""The client of one agent's prompts and token cache."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.core.limits import DEFAULT_ANSWER_TOKENS, DEFAULT_TOP_K
from serve_app.client.connection import Connection
from serve_app.client.results import CacheStats, Filter, GeneratedAnswer, PromptMetadata


class TokenCachedRAG:
    """Prompts and answers of one agent for free questions, and its token cache.

    Raises the same errors as `AgentClient`.
    """

    def __init__(self, agent: str, connection: Connection) -> None:
        self._agent = agent
        self._connection = connection

    async def retrieve_tokens(
        self,
        query: str,
        top_k: int = DEFAULT_TOP_K,
        section: str | None = None,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
    ) -> tuple[list[int], PromptMetadata]:
        """The token ids of the prompt that a question would be answered with, and its metadata.

        The metadata are `citations, context_tokens, query_tokens, segments, sources, order, dropped,
        cache_error`. There are no ids when no passage answers the question.
        """
        prompt = await self._connection.post(
            "/v1/cache/tokens",
            agent=self._agent,
            query=query,
            top_k=top_k,
            section=section,
            filter=filter,
            doc_ids=doc_ids,
        )
        return prompt["token_ids"], prompt["metadata"]

    async def generate_with_rag(
        self,
        query: str,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = DEFAULT_ANSWER_TOKENS,
        temperature: float = 0.7,
        section: str | None = None,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
        conversation_id: str | None = None,
    ) -> GeneratedAnswer:
        """The answer to a question: `response`, `cache_hit`, `latency_ms`, `cache_stats` and so on."""
        answer: GeneratedAnswer = await self._connection.post(
            "/v1/cache/generate",
            agent=self._agent,
            query=query,
            top_k=top_k,
            max_tokens=max_tokens,
            temperature=temperature,
            section=section,
            filter=filter,
            doc_ids=doc_ids,
            conversation_id=conversation_id,
        )
        return answer

    async def get_cache_stats(self) -> CacheStats:
        """`cache_hits`, `cache_misses`, `hit_rate` (percent) and so on, of the whole cluster."""
        by_agent: dict[str, CacheStats] = await self._connection.get("/v1/cache/stats")
        return by_agent[self._agent]

    async def reset_stats(self) -> None:
        """Sets the counters to zero. Cached segments stay."""
        await self._connection.post("/v1/cache/stats/reset", agent=self._agent)

    async def clear_cache(self, pattern: str | None = None) -> int:
        """Deletes the agent's cached segments, or those of the documents whose ids match a glob pattern.

        Returns how many it deleted.
        """
        cleared = await self._connection.post("/v1/cache/clear", agent=self._agent, pattern=pattern)
        return int(cleared["cleared"])

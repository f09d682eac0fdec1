"""An agent's token-cached generation, as its client shows it."""

from __future__ import annotations

from typing import Any

from deployments.core.limits import DEFAULT_TOP_K
from serve_app.client.transport import Transport


class TokenCachedRAG:
    """Prompts and answers of one agent for free questions, and its cache. Raises as `AgentClient`."""

    def __init__(self, agent: str, transport: Transport) -> None:
        self._agent = agent
        self._transport = transport

    async def retrieve_tokens(
        self, query: str, top_k: int = DEFAULT_TOP_K, section: str | None = None
    ) -> tuple[list[int], dict[str, Any]]:
        """The ids of the prompt that a question would be answered with, and what it was made of.

        The metadata are `citations, context_tokens, query_tokens, segments, sources, order, dropped,
        cache_error`. Without a passage to answer from there are no ids.
        """
        body = await self._post("tokens", query=query, top_k=top_k, section=section)
        return body["token_ids"], body["metadata"]

    async def generate_with_rag(
        self,
        query: str,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = 1024,
        temperature: float = 0.7,
        section: str | None = None,
    ) -> dict[str, Any]:
        """The answer to a question: `response`, `cache_hit`, `latency_ms`, `cache_stats` and so on."""
        answer: dict[str, Any] = await self._post(
            "generate",
            query=query,
            top_k=top_k,
            max_tokens=max_tokens,
            temperature=temperature,
            section=section,
        )
        return answer

    async def get_cache_stats(self) -> dict[str, Any]:
        """`cache_hits`, `cache_misses`, `hit_rate` (percent) and so on, of the whole cluster."""
        stats: dict[str, Any] = (await self._transport.call("GET", "/v1/cache/stats"))[self._agent]
        return stats

    async def reset_stats(self) -> None:
        """Starts the counters anew; what is cached stays."""
        await self._post("stats/reset")

    async def clear_cache(self, pattern: str | None = None) -> int:
        """Deletes the cached segments, or those of documents whose ids match a glob; returns the count."""
        return int((await self._post("clear", pattern=pattern))["cleared"])

    async def _post(self, what: str, **fields: Any) -> Any:
        given = {name: value for name, value in fields.items() if value is not None}
        return await self._transport.call("POST", f"/v1/cache/{what}", json={"agent": self._agent, **given})

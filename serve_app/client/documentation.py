"""The documentation agent."""

from __future__ import annotations

from functools import cache

from deployments.agents.specs import DOCUMENTATION
from deployments.core.ids import doc_id as checked_doc_id
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.writing import DEFAULT_DOC_TYPE
from serve_app.client.agent import AgentClient, Body, path_part


class DocumentationAgent(AgentClient):
    """Looks documentation up, writes, updates and searches it. It has no memory besides its documents."""

    agent_name = DOCUMENTATION.name

    async def lookup_documentation_cached(
        self,
        query: str,
        section: str | None = None,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = DOCUMENTATION.max_tokens,
    ) -> Body:
        """The answer as `documentation`, from one section or all; see `DocumentationAnswer`."""
        return await self._post(
            "/v1/documentation/lookup", query=query, section=section, top_k=top_k, max_tokens=max_tokens
        )

    async def generate_documentation(
        self,
        topic: str,
        doc_type: str = DEFAULT_DOC_TYPE,
        source_code: str | None = None,
        specifications: str | None = None,
    ) -> Body:
        """Has a document written from the given material, and stores it; see `WrittenBody`."""
        return await self._post(
            "/v1/documentation/generate",
            topic=topic,
            doc_type=doc_type,
            source_code=source_code,
            specifications=specifications,
        )

    async def update_documentation(self, doc_id: str, content: str, invalidate_cache: bool = True) -> Body:
        """Stores a new version: no answer uses the old text afterwards. See `IngestedBody`."""
        updated: Body = await self._transport.call(
            "PUT",
            f"/v1/documentation/{path_part(checked_doc_id(doc_id))}",
            json={"content": content, "invalidate_cache": invalidate_cache},
        )
        return updated

    async def search_documentation(self, query: str, limit: int = DEFAULT_TOP_K) -> Body:
        """Documents with the words of a query, best first; see `TextSearchBody`."""
        return await self._get("/v1/documentation/search", query=query, limit=limit)

    async def get_cache_stats(self) -> Body:
        """The agent's figures in the whole cluster; see `CacheStatsBody`."""
        return await self.token_cached_rag.get_cache_stats()

    async def clear_cache(self, pattern: str | None = None) -> int:
        """Deletes the cached segments of the agent's documents, or of those whose ids match a glob pattern.

        Returns how many there were, exactly.
        """
        return await self.token_cached_rag.clear_cache(pattern)


def get_documentation_agent(
    business_id: str, enable_memory: bool = True, *, url: str | None = None, api_key: str | None = None
) -> DocumentationAgent:
    """One agent for the same arguments, however often it is asked for."""
    return _only_one(business_id, enable_memory, url, api_key)


@cache
def _only_one(
    business_id: str, enable_memory: bool, url: str | None, api_key: str | None
) -> DocumentationAgent:
    return DocumentationAgent(business_id, enable_memory, url=url, api_key=api_key)

"""The client of the documentation agent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from deployments.agents.specs import DOCUMENTATION
from deployments.core.ids import doc_id as checked_doc_id
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.writing import DEFAULT_DOC_TYPE
from serve_app.client.agent import AgentClient, as_json, path_part
from serve_app.client.results import (
    CacheStats,
    DocumentationAnswer,
    DocumentSearch,
    Filter,
    StoredDocument,
    WrittenDocument,
)


class DocumentationAgent(AgentClient):
    """Answers questions from the documentation, and writes, updates and searches it.

    It has no memory except its documents.
    """

    agent_name = DOCUMENTATION.name

    async def lookup_documentation_cached(
        self,
        query: str,
        section: str | None = None,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = DOCUMENTATION.max_tokens,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
        conversation_id: str | None = None,
    ) -> DocumentationAnswer:
        """The answer to a question as `documentation`, from one section or all."""
        answer: DocumentationAnswer = await self._connection.post(
            "/v1/documentation/lookup",
            query=query,
            section=section,
            top_k=top_k,
            max_tokens=max_tokens,
            filter=filter,
            doc_ids=doc_ids,
            conversation_id=conversation_id,
        )
        return answer

    async def generate_documentation(
        self,
        topic: str,
        doc_type: str = DEFAULT_DOC_TYPE,
        source_code: str | None = None,
        specifications: str | None = None,
    ) -> WrittenDocument:
        """Has the model write a document from the given material, stores it, and returns its `content`."""
        written: WrittenDocument = await self._connection.post(
            "/v1/documentation/generate",
            topic=topic,
            doc_type=doc_type,
            source_code=source_code,
            specifications=specifications,
        )
        return written

    async def update_documentation(
        self, doc_id: str, content: str, invalidate_cache: bool = True
    ) -> StoredDocument:
        """Stores a new version, and returns its number as `version`. No later answer uses the old text.

        `invalidate_cache=False` leaves the old text in the token cache, unused, until it expires.
        """
        stored: StoredDocument = await self._connection.request(
            "PUT",
            f"/v1/documentation/{path_part(checked_doc_id(doc_id))}",
            fields={"content": content, "invalidate_cache": invalidate_cache},
        )
        return stored

    async def search_documentation(
        self,
        query: str,
        limit: int = DEFAULT_TOP_K,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
    ) -> DocumentSearch:
        """The documents that contain words of a query as `results`, best first."""
        found: DocumentSearch = await self._connection.get(
            "/v1/documentation/search", query=query, limit=limit, filter=as_json(filter), doc_ids=doc_ids
        )
        return found

    async def get_cache_stats(self) -> CacheStats:
        """`cache_hits`, `cache_misses`, `hit_rate` (percent) and so on, of the agent in the whole cluster."""
        return await self.token_cached_rag.get_cache_stats()

    async def clear_cache(self, pattern: str | None = None) -> int:
        """Deletes the cached segments of the agent's documents, or of those whose ids match a glob pattern.

        Returns how many it deleted.
        """
        return await self.token_cached_rag.clear_cache(pattern)


def get_documentation_agent(
    business_id: str, enable_memory: bool = True, *, url: str | None = None, api_key: str | None = None
) -> DocumentationAgent:
    """The same agent object for the same arguments."""
    return _only_one(business_id, enable_memory, url, api_key)


@cache
def _only_one(
    business_id: str, enable_memory: bool, url: str | None, api_key: str | None
) -> DocumentationAgent:
    return DocumentationAgent(business_id, enable_memory, url=url, api_key=api_key)

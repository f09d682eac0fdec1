"""An agent replica's retriever: what was retrieved before is kept under leases from the knowledge base."""

from __future__ import annotations

from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts
from deployments.retrieval.lease_keeper import LeaseKeeper
from deployments.retrieval.redis_store import RedisRetrievalStore
from deployments.retrieval.rhythms import Rhythms
from deployments.token_cache.ttl import retrieval_ttl_s
from serve_app.handles.knowledge import KnowledgeHandle


def cached_retriever(
    knowledge: KnowledgeHandle, link: RedisLink, inner: Retriever | None = None, kind: str = ""
) -> CachedRetriever:
    """For the knowledge base's own search, or for an `inner` retriever; see `CachedRetriever`."""
    rhythms = Rhythms(lease_clock)
    keeper = LeaseKeeper(knowledge, rhythms.changed)
    return CachedRetriever(
        RetrievalCacheParts(keeper, rhythms, RedisRetrievalStore(link), retrieval_ttl_s), inner, kind
    )

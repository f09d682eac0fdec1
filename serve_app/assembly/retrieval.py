"""An agent replica's retriever, which keeps results under leases from the knowledge base."""

from __future__ import annotations

from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts
from deployments.retrieval.lease_keeper import LeaseKeeper
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.retrieval.rhythms import Rhythms
from deployments.token_cache.ttl import segment_ttl_s
from serve_app.handles.knowledge import KnowledgeHandle


def cached_retriever(
    knowledge: KnowledgeHandle, link: RedisLink, inner: Retriever | None = None, kind: str = ""
) -> CachedRetriever:
    """A retriever over the knowledge base's own search, or over an `inner` retriever of this `kind`.

    Retrievals stay in the shared store at most as long as segments of the same collection.
    """
    rhythms = Rhythms(lease_clock)
    keeper = LeaseKeeper(knowledge, rhythms.changed)
    parts = RetrievalCacheParts(keeper, rhythms, RedisRetrievalStore(link), segment_ttl_s)
    return CachedRetriever(parts, inner, kind)

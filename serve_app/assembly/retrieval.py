"""An agent replica's retriever. It caches results as long as the knowledge base's leases allow."""

from __future__ import annotations

from deployments.core.agent_spec import AgentSpec
from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.core.services import KnowledgeBase
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts
from deployments.retrieval.lease_keeper import LeaseKeeper
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.retrieval.rhythms import Rhythms


def cached_retriever(
    spec: AgentSpec,
    knowledge: KnowledgeBase,
    link: RedisLink,
    seal: bytes,
    inner: Retriever | None = None,
) -> CachedRetriever:
    """An agent's cached retriever, over the knowledge base's search or over an `inner` retriever.

    The shared store keeps retrievals no longer than the segments of the agent's collection. `seal` is
    the key of its entries' checksums.
    """
    rhythms = Rhythms(lease_clock)
    keeper = LeaseKeeper(knowledge, rhythms.changed)
    parts = RetrievalCacheParts(keeper, rhythms, RedisRetrievalStore(link, seal), spec.ttl_s)
    return CachedRetriever(parts, inner, spec.name)

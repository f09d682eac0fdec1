"""An agent replica's retriever and salts, as long as the knowledge base's leases allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.agent_spec import AgentSpec
from deployments.core.ids import Scope
from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.core.services import KnowledgeBase
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts
from deployments.retrieval.forgetting import Forgetting
from deployments.retrieval.lease_keeper import LeaseKeeper
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.retrieval.rhythms import Rhythms
from deployments.retrieval.tenant_salts import TenantSalts


@dataclass(frozen=True, slots=True)
class LeasedParts:
    """What an agent's replica uses under leases. Both share one `LeaseKeeper`."""

    retriever: CachedRetriever
    salts: TenantSalts


def leased_parts(
    spec: AgentSpec,
    knowledge: KnowledgeBase,
    link: RedisLink,
    secret: bytes,
    *,
    forget_segments: Callable[[Callable[[Scope], bool]], object],
    inner: Retriever | None = None,
) -> LeasedParts:
    """An agent's retriever, over the knowledge base's search or over an `inner` retriever, and its salts.

    `secret` is the key of the salts. `forget_segments` drops the replica's segments of matching scopes. The
    shared store keeps retrievals no longer than the segments of the agent's collection.
    """

    def forget(matches: Callable[[Scope], bool]) -> None:
        retriever.forget(matches)
        forget_segments(matches)

    def changed(scope: Scope) -> None:
        rhythms.changed(scope)
        forgetting.changed(scope)

    rhythms, forgetting = Rhythms(lease_clock), Forgetting(forget)
    keeper = LeaseKeeper(knowledge, changed, unwatched=forgetting.changed)
    parts = RetrievalCacheParts(keeper, rhythms, RedisRetrievalStore(link), spec.ttl_s)
    retriever = CachedRetriever(parts, inner, spec.name)
    return LeasedParts(retriever, TenantSalts(keeper, secret))

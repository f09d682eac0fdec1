"""An agent replica's retriever and salts, as long as the knowledge base's leases allow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.agent_spec import AgentSpec
from deployments.core.ids import Scope, TenantId
from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.core.salt import SALT_COLLECTION
from deployments.core.services import KnowledgeBase
from deployments.redis.connection import RedisLink
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts
from deployments.retrieval.forgetting import Forgetting
from deployments.retrieval.held_leases import LeaseKeeper
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.retrieval.rhythms import Rhythms
from deployments.retrieval.tenant_salts import TenantSalts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptTexts:
    """Other texts that an agent's replica keeps."""

    forget_segments: Callable[[Callable[[Scope], bool]], object]
    """Drops the segments of the scopes that match."""
    erase_questions: Callable[[TenantId], object]
    """Deletes a tenant's questions from this machine's log. Raises OSError."""


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
    kept: KeptTexts,
    *,
    seal: bytes = b"",
    inner: Retriever | None = None,
) -> LeasedParts:
    """An agent's retriever, over the knowledge base's search or over an `inner` retriever, and its salts.

    `secret` is the key of the salts, `seal` that of the checksums in Redis. What is `kept` is dropped
    with the retrievals of changed scopes. The shared store keeps retrievals no longer than the segments of
    the agent's collection.
    """

    def forget(matches: Callable[[Scope], bool]) -> None:
        retriever.forget(matches)
        kept.forget_segments(matches)

    def changed(scope: Scope) -> None:
        if scope.collection == SALT_COLLECTION:  # an erasure
            try:
                kept.erase_questions(scope.tenant)
            except OSError as error:
                log.warning("questions of %s were not deleted: %s", scope.tenant, error)
        rhythms.changed(scope)
        forgetting.changed(scope)

    rhythms, forgetting = Rhythms(lease_clock), Forgetting(forget)
    keeper = LeaseKeeper(knowledge, changed, unwatched=forgetting.changed)
    store = RedisRetrievalStore(link, seal)
    parts = RetrievalCacheParts(keeper, rhythms, store, spec.ttl_s)
    retriever = CachedRetriever(parts, inner, spec.name)
    return LeasedParts(retriever, TenantSalts(keeper, secret))

"""Each remote service has the operations of its Protocol, with the same parameters."""

from __future__ import annotations

from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, signature

import pytest

from deployments.access.key_store import KeyStore
from deployments.access.limit_store import LimitStore
from deployments.access.usage_store import UsageStore
from deployments.agents.business import BusinessService
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.documentation import DocumentationService
from deployments.agents.support import SupportService
from deployments.core.access import KeyDesk
from deployments.core.conversations import ConversationDesk
from deployments.core.erasure import ErasureDesk
from deployments.core.quotas import QuotaDesk, StoredAmounts
from deployments.core.records.ports import BusinessMemory, IdempotencyKeys, TicketDesk
from deployments.core.replica import Kind, operations
from deployments.core.services import (
    Agent,
    DocumentationWriter,
    EngineReplica,
    IdeaGeneration,
    KnowledgeBase,
    Records,
    TicketImages,
    TokenCache,
)
from deployments.core.usage import UsageDesk
from deployments.engine.service import EngineService
from deployments.knowledge.document_quota import DocumentAmounts
from deployments.knowledge.service import KnowledgeService
from deployments.records.business_memory import StoredBusiness
from deployments.records.idempotency import IdempotencyStore
from deployments.records.ticket_desk import StoredTickets
from deployments.token_cache.service import TokenCacheService

SERVED: list[tuple[type, type]] = [
    (Agent, CachedAgent),
    (TicketImages, SupportService),
    (IdeaGeneration, BusinessService),
    (DocumentationWriter, DocumentationService),
    (TokenCache, TokenCacheService),
    (KnowledgeBase, KnowledgeService),
    (TicketDesk, StoredTickets),
    (IdempotencyKeys, IdempotencyStore),
    (KeyDesk, KeyStore),
    (QuotaDesk, LimitStore),
    (UsageDesk, UsageStore),
    (StoredAmounts, DocumentAmounts),
    (BusinessMemory, StoredBusiness),
    (EngineReplica, EngineService),
]
CASES = [(protocol, service, name) for protocol, service in SERVED for name in operations(protocol)]


def parameters(method: object) -> list[tuple[str, object]]:
    return [(one.name, one.kind) for one in signature(method).parameters.values()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("protocol", "service", "name"), CASES, ids=lambda case: getattr(case, "__name__", case)
)
def test_an_operation_is_the_services_own(protocol: type, service: type, name: str) -> None:
    defined, made = getattr(protocol, name), getattr(service, name)
    assert parameters(made) == parameters(defined)
    if operations(protocol)[name] is Kind.STREAM:
        assert isasyncgenfunction(made) or not iscoroutinefunction(made)
    else:
        assert iscoroutinefunction(made)


def test_a_client_can_leave_out_what_the_protocol_allows() -> None:
    """A default of the Protocol is a default of the service, or a call over a handle would fail."""
    for protocol, service, name in CASES:
        made = signature(getattr(service, name)).parameters
        for parameter in signature(getattr(protocol, name)).parameters.values():
            if parameter.default is not Parameter.empty:
                assert made[parameter.name].default == parameter.default


def test_the_records_are_eight_services_together() -> None:
    parts = (
        TicketDesk,
        ConversationDesk,
        IdempotencyKeys,
        BusinessMemory,
        KeyDesk,
        QuotaDesk,
        UsageDesk,
        StoredAmounts,
        ErasureDesk,
    )
    assert operations(Records) == {name: kind for one in parts for name, kind in operations(one).items()}

"""The HTTP API over fakes: real agents on fake engines, and a library in a dict."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import httpx

from deployments.access.local_spending import LocalSpending
from deployments.agents.documentation import DocumentationService
from deployments.agents.specs import BUSINESS, DOCUMENTATION, DOCUMENTATION_WRITER, SUPPORT
from deployments.agents.support import SupportService
from deployments.core.access import Actor, KeyChanges, KeyDesk
from deployments.core.cache_history import DAY, HOUR, CacheHistory, History, ReuseCounts
from deployments.core.erasure import Erasure, ErasureDesk, ErasureState, ErasureTarget
from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.ports import Retriever
from deployments.core.quotas import RULES, LimitChange, Quota, QuotaDesk, Spending
from deployments.core.records.ports import BusinessMemory, IdempotencyKeys, TicketDesk
from deployments.core.usage import UsageDesk, UsageQuery, UsageSum
from serve_app.auth import KeyRing
from serve_app.http.application import build_api
from serve_app.services import Services
from serve_app.settings import Settings
from serve_app.stored_keys import StoredKeys
from tests.fake_business import BusinessRig
from tests.fake_library import FakeLibrary
from tests.fake_records import FakeDesk, FakeKeys, image_reader
from tests.fakes import RecordingMeter, a_passage
from tests.unit.rag.rig import Rig


class FakeSharedCache:
    """The part of the TokenCache deployment that the API calls. `cleared` lists the calls of `clear`."""

    def __init__(self) -> None:
        self.cleared: list[tuple[TenantId, CollectionName | None]] = []
        self.fault: Exception | None = None

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        if self.fault is not None:
            raise self.fault
        self.cleared.append((tenant, collection))
        return 12


class NoStoredKeys:
    """The part of a `KeyDesk` that recognises keys, of which there are none."""

    async def key_changes(self, known: int, used: Mapping[str, float]) -> KeyChanges:
        return KeyChanges(1, (), known == 0)


class DefaultLimits:
    """The part of a `QuotaDesk` that reads, for tenants without limits of their own."""

    async def limits(self, tenant: TenantId) -> Mapping[Quota, int]:
        return {quota: rule.default for quota, rule in RULES.items()}

    async def limit_changes(self, since_s: float) -> tuple[LimitChange, ...]:
        return ()


class NothingStored:
    """The `StoredAmounts` of tenants without documents."""

    async def stored(self, tenant: TenantId) -> Mapping[Quota, int]:
        return {Quota.DOCUMENTS: 0, Quota.DOCUMENT_BYTES: 0}


class NoUsage:
    """The part of a `UsageDesk` that reads, of an application that nobody has used."""

    async def usage(self, query: UsageQuery) -> tuple[UsageSum, ...]:
        return ()


class FakeErasures:
    """An `ErasureDesk` that keeps what it was asked to erase, and is done at once unless `slow` is set."""

    def __init__(self) -> None:
        self.slow = False
        self.asked: list[tuple[Actor, TenantId, ErasureTarget]] = []
        self._made: dict[tuple[TenantId, str], Erasure] = {}

    async def erase(self, actor: Actor, tenant: TenantId, target: ErasureTarget) -> Erasure:
        self.asked.append((actor, tenant, target))
        state = ErasureState.RUNNING if self.slow else ErasureState.DONE
        made = Erasure(
            f"erasure-{len(self.asked)}",
            target.kind,
            state,
            1.0,
            None if self.slow else 2.0,
            {"tickets": 3},
            None,
        )
        self._made[tenant, made.erasure_id] = made
        return made

    async def erasure(self, tenant: TenantId, erasure_id: str) -> Erasure:
        if (found := self._made.get((tenant, erasure_id))) is None:
            raise NotFound(f"there is no erasure {erasure_id}", "erasure_id")
        return replace(found, state=ErasureState.DONE, finished_at_s=2.0)


class FakeHistory:
    """The `ReuseHistory` of a tenant of whom `now` was counted in the present step, `before` in the last."""

    def __init__(self) -> None:
        self.before = ReuseCounts()
        self.now = ReuseCounts(2, 10, 2, 3000, 2400, 150)
        self.asked: list[Scope] = []

    async def history(self, scope: Scope) -> CacheHistory:
        self.asked.append(scope)
        hour, day = (
            History(
                span.step_s, span.step_s * 1000, (*(span.steps - 2) * [ReuseCounts()], self.before, self.now)
            )
            for span in (HOUR, DAY)
        )
        return CacheHistory(hour, day)


class FakeReadiness:
    """A `Readiness` that reports `parts`."""

    def __init__(self) -> None:
        self.parts = {"engine": "ready", "knowledge": "ready"}

    async def report(self) -> dict[str, str]:
        return dict(self.parts)


class Api:
    """The application as `app`, its HTTP client as `http`, and the fakes that it runs on."""

    def __init__(
        self,
        rig: Rig | None = None,
        desk: TicketDesk | None = None,
        retriever: Retriever | None = None,
        keys: IdempotencyKeys | None = None,
        key_desk: KeyDesk | None = None,
        limits: QuotaDesk | None = None,
        usage: UsageDesk | None = None,
        erasures: ErasureDesk | None = None,
        library: Any = None,
        business: BusinessMemory | None = None,
        spending: Spending | None = None,
        **settings: Any,
    ) -> None:
        self.rig = rig or Rig([a_passage(n) for n in range(3)])
        self.library: FakeLibrary = library or FakeLibrary(retriever or self.rig.retriever)
        self.cache = FakeSharedCache()
        self.readiness = FakeReadiness()
        self.history = FakeHistory()
        self.recorded = RecordingMeter()
        self.changes: list[tuple[Scope, int]] = []
        self.desk = desk or FakeDesk()
        self.support = SupportService(SUPPORT, self.rig.rag, image_reader())
        self.lookup = Rig([a_passage(n) for n in range(3)], spec=DOCUMENTATION)
        self.writer = Rig(spec=DOCUMENTATION_WRITER)
        self.ideas = BusinessRig()
        self.documentation = DocumentationService(
            DOCUMENTATION, self.lookup.rag, self.writer.rag, self.library
        )
        self.erasures = FakeErasures()
        self.key_clock_ahead_s = 0.0
        self._key_age_s = 0.0
        configured = Settings.from_env({}, **settings)
        key_desk = key_desk or cast(KeyDesk, NoStoredKeys())
        stored = StoredKeys(key_desk, self._key_time, self._key_age)
        self.app = build_api(
            Services(
                settings=configured,
                key_ring=KeyRing(configured.tenants_by_key(), stored),
                keys=key_desk,
                spending=spending or LocalSpending(60.0, time.time),
                limits=limits or cast(QuotaDesk, DefaultLimits()),
                stored=NothingStored(),
                usage=usage or cast(UsageDesk, NoUsage()),
                erasures=erasures or self.erasures,
                agents={
                    SUPPORT.name: self.support,
                    BUSINESS.name: self.ideas.service,
                    DOCUMENTATION.name: self.documentation,
                },
                images=self.support,
                ideas=self.ideas.service,
                writer=self.documentation,
                tickets=self.desk,
                conversations=self.rig.conversations,
                business=business or self.ideas.memory,
                idempotency=keys or FakeKeys(),
                collections={agent.name: agent.collection for agent in (SUPPORT, BUSINESS, DOCUMENTATION)},
                library=self.library,  # type: ignore[arg-type]  # no route reads leases or passages
                cache=self.cache,  # type: ignore[arg-type]  # routes only clear
                reused=self.history,
                readiness=self.readiness,
                metrics=self._metrics,
                changed=lambda scope, invalidated: self.changes.append((scope, invalidated)),
                meter=self.recorded,
            )
        )
        # An exception that leaves the application fails the test, since the application must answer all.
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def expire_keys(self, seconds: float) -> None:
        """Makes this replica's copy of the stored keys older."""
        self._key_age_s += seconds

    async def _metrics(self) -> bytes:
        return b"warmline_answers_total 1.0\n"

    def _key_time(self) -> float:
        return time.time() + self.key_clock_ahead_s

    def _key_age(self) -> float:
        return time.monotonic() + self._key_age_s


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of a response. Asserts that the body is the one that all errors have."""
    assert response.status_code >= 400
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"]
    assert error["code"]
    assert error["type"] == ("invalid_request_error" if response.status_code < 500 else "server_error")
    assert "Traceback" not in response.text
    return error

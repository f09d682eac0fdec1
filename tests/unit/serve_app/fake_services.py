"""The HTTP API over fakes: real agents on fake engines, and a library in a dict."""

from __future__ import annotations

from typing import Any

import httpx

from deployments.agents.deployment import BusinessGeneration, Documentation, Support
from deployments.agents.documentation import DocumentationService
from deployments.agents.specs import BUSINESS, DOCUMENTATION, DOCUMENTATION_WRITER, SUPPORT
from deployments.agents.support import SupportService, SupportTools
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.record_ports import IdempotencyKeys
from serve_app.auth import Tenants
from serve_app.http.application import build_api
from serve_app.services import Services
from serve_app.settings import Settings
from tests.fake_business import BusinessRig
from tests.fake_library import FakeLibrary
from tests.fake_records import FakeDesk, FakeKeys, support_tools
from tests.fakes import a_passage
from tests.unit.rag.rig import Rig


class FakeSharedCache:
    """A `SharedCache` that lists what was cleared."""

    def __init__(self) -> None:
        self.cleared: list[tuple[TenantId, CollectionName | None]] = []
        self.fault: Exception | None = None

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        if self.fault is not None:
            raise self.fault
        self.cleared.append((tenant, collection))
        return 12


class FakeReadiness:
    """A `Readiness` that reports `parts`."""

    def __init__(self) -> None:
        self.parts = {"engine": "ready", "knowledge": "ready"}

    async def report(self) -> dict[str, str]:
        return dict(self.parts)


class Api:
    """The application as `app`, a client of it as `http`, and the fakes it is served from."""

    def __init__(
        self,
        rig: Rig | None = None,
        tools: SupportTools | None = None,
        keys: IdempotencyKeys | None = None,
        **settings: Any,
    ) -> None:
        self.rig = rig or Rig([a_passage(n) for n in range(3)])
        self.library = FakeLibrary()
        self.cache = FakeSharedCache()
        self.readiness = FakeReadiness()
        self.changes: list[tuple[Scope, int]] = []
        self.support = Support.__new__(Support)
        self.desk = FakeDesk()
        tools = tools or support_tools(self.rig.retriever, self.desk)
        self.support._service = SupportService(SUPPORT, self.rig.rag, tools)
        self.lookup = Rig([a_passage(n) for n in range(3)], spec=DOCUMENTATION)
        self.writer = Rig(spec=DOCUMENTATION_WRITER)
        self.ideas = BusinessRig()
        self.business = BusinessGeneration.__new__(BusinessGeneration)
        self.business._service = self.ideas.service
        self.documentation = Documentation.__new__(Documentation)
        self.documentation._service = DocumentationService(
            DOCUMENTATION, self.lookup.rag, self.writer.rag, self.library
        )
        configured = Settings.from_env({}, **settings)
        self.app = build_api(
            Services(
                settings=configured,
                tenants=Tenants(configured.tenants_by_key()),
                agents={  # whose clear_local also counts
                    SUPPORT.name: self.support,  # type: ignore[dict-item]
                    BUSINESS.name: self.business,  # type: ignore[dict-item]
                    DOCUMENTATION.name: self.documentation,  # type: ignore[dict-item]
                },
                support=self.support,
                business=self.business,
                documentation=self.documentation,
                idempotency=keys or FakeKeys(),
                collections={agent.name: agent.collection for agent in (SUPPORT, BUSINESS, DOCUMENTATION)},
                library=self.library,
                cache=self.cache,
                readiness=self.readiness,
                changed=lambda scope, invalidated: self.changes.append((scope, invalidated)),
            )
        )
        # An exception that leaves the application fails the test: all of them have to be answered.
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of a response, whose body must be the one body of errors and nothing else."""
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

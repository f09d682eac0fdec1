"""The front deployment: the HTTP API over the other deployments' handles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import httpx
from fastapi import FastAPI

from deployments.agents.specs import BUSINESS, DOCUMENTATION, SUPPORT
from deployments.core.errors import WarmlineError
from deployments.core.ids import CollectionName
from serve_app.auth import Tenants
from serve_app.handles.agents import AgentHandle
from serve_app.handles.business import BusinessHandle
from serve_app.handles.documentation import DocumentationHandle
from serve_app.handles.engine import EngineHandle
from serve_app.handles.knowledge import KnowledgeHandle
from serve_app.handles.records import RecordsHandle
from serve_app.handles.support import SupportHandle
from serve_app.handles.token_cache import TokenCacheHandle
from serve_app.http.application import build_api
from serve_app.rewarming import Rewarming
from serve_app.services import Services
from serve_app.settings import Settings

_PROBE_TIMEOUT_S = 2.0


class Ingress:
    """Serve calls `__serve_build_asgi_app__` once the replica's handles are there."""

    def __init__(
        self,
        settings: Settings,
        agents: Mapping[str, tuple[Any, CollectionName]],
        knowledge: Any,
        token_cache: Any,
        engine: Any,
    ) -> None:
        library = KnowledgeHandle(knowledge)
        clients = {name: AgentHandle(name, handle) for name, (handle, _) in agents.items()}
        readers = {collection: clients[name] for name, (_, collection) in agents.items()}
        self._services = Services(
            settings=settings,
            tenants=Tenants(settings.tenants_by_key()),
            agents=clients,
            support=SupportHandle(agents[SUPPORT.name][0]),
            business=BusinessHandle(agents[BUSINESS.name][0]),
            documentation=DocumentationHandle(agents[DOCUMENTATION.name][0]),
            idempotency=RecordsHandle(knowledge),
            collections={name: collection for name, (_, collection) in agents.items()},
            library=library,
            cache=TokenCacheHandle(token_cache),
            readiness=Probes({"engine": EngineHandle(engine).ready, "knowledge": library.status}),
            changed=Rewarming(readers if settings.warm_after_update else {}).changed,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        self._app = build_api(self._services)
        return self._app

    async def call(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of the response to a request that came over a handle.

        It is answered by the same application as one over HTTP: authenticated, checked and shaped alike.
        """
        request = httpx.Request(
            method, f"http://ingress{path}", params=list(params), headers=dict(headers), content=body
        )
        response = await httpx.ASGITransport(self._app).handle_async_request(request)
        return response.status_code, response.headers.get("content-type", ""), await response.aread()


class Probes:
    """Asks each part for a sign of life, all at once. `probes` are keyed by the part's name."""

    def __init__(self, probes: Mapping[str, Any]) -> None:
        self._probes = probes

    async def report(self) -> dict[str, str]:
        """Part -> "ready", or why it is not."""
        states = await asyncio.gather(*(_state(probe()) for probe in self._probes.values()))
        return dict(zip(self._probes, states, strict=True))


async def _state(answer: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await answer
    except TimeoutError:
        return "does not answer yet"
    except WarmlineError as error:
        return error.message
    return "ready"

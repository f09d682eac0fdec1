"""The Ingress deployment: the HTTP API over the other deployments' handles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from deployments.agents.specs import BUSINESS, DOCUMENTATION, SUPPORT
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import WarmlineError
from deployments.core.services import (
    Agent,
    DocumentationWriter,
    IdeaGeneration,
    KnowledgeBase,
    Records,
    ReuseHistory,
    TicketImages,
    TokenCache,
)
from serve_app import request_ids
from serve_app.assembly.spending import ingress_spending
from serve_app.auth import KeyRing
from serve_app.draining import Gate
from serve_app.engine.handle import EngineHandle
from serve_app.engine.own_call import serve_request_id
from serve_app.garbage import collect_seldom
from serve_app.http.application import build_api
from serve_app.metrics.cluster_metrics import ClusterMetrics
from serve_app.metrics.document_changes import counted
from serve_app.metrics.ray_metrics import RayMeter, agent_addresses
from serve_app.problems import message_of
from serve_app.remote import client_of
from serve_app.rewarming import Pace, Rewarming
from serve_app.services import Services
from serve_app.settings import Settings
from serve_app.stored_keys import StoredKeys

_PROBE_TIMEOUT_S = 2.0
_REPORT_FOR_S = 1.0
"""How long a report on readiness is given again."""
_WARMING_GRACE_S = 30.0
"""Seconds that a warming may take besides its prefilling, which ends after `warm_up_s`."""


@dataclass(frozen=True, slots=True)
class AgentHandle:
    """An agent and the handle of its deployment."""

    spec: AgentSpec
    handle: Any


class Ingress:
    """Answers HTTP requests, and those that come over a Serve handle, with the same FastAPI application.

    Serve calls `__serve_build_asgi_app__` when the replica's handles are ready.
    """

    def __init__(
        self,
        settings: Settings,
        agents: Sequence[AgentHandle],
        knowledge: Any,
        token_cache: Any,
        engine: Any,
    ) -> None:
        handles = {agent.spec.name: agent.handle for agent in agents}
        clients = {name: client_of(Agent, handle, f"the {name} agent") for name, handle in handles.items()}
        readers = {agent.spec.collection: clients[agent.spec.name] for agent in agents}
        library = client_of(KnowledgeBase, knowledge, "the knowledge base")
        pace = Pace(within_s=settings.warm_up_s + _WARMING_GRACE_S)
        records = client_of(Records, knowledge, "the knowledge base")
        meter = RayMeter()
        self._gate = Gate()
        rewarming = Rewarming(readers if settings.warm_after_update else {}, pace)
        self._services = Services(
            settings=settings,
            key_ring=KeyRing(settings.tenants_by_key(), StoredKeys(records)),
            keys=records,
            spending=ingress_spending(settings, meter),
            limits=records,
            stored=records,
            usage=records,
            erasures=records,
            agents=clients,
            images=client_of(TicketImages, handles[SUPPORT.name], "the support agent"),
            ideas=client_of(IdeaGeneration, handles[BUSINESS.name], "the business generation agent"),
            writer=client_of(DocumentationWriter, handles[DOCUMENTATION.name], "the documentation agent"),
            tickets=records,
            conversations=records,
            business=records,
            idempotency=records,
            collections={agent.spec.name: agent.spec.collection for agent in agents},
            library=library,
            cache=client_of(TokenCache, token_cache, "the token cache"),
            reused=client_of(ReuseHistory, token_cache, "the token cache"),
            readiness=Probes({"engine": EngineHandle(engine).ready, "knowledge": library.status}),
            metrics=ClusterMetrics(agent_addresses).text,
            changed=counted(meter, rewarming.changed),
            meter=meter,
            gate=self._gate,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        self._app = build_api(self._services)
        collect_seldom()
        return self._app

    async def drain(self, within_s: float) -> int:
        """Refuses new requests from now on, with 503, and waits up to `within_s` seconds for those in
        progress; returns how many have not ended.
        """
        return await self._gate.close(within_s)

    async def call(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the response to an HTTP request that came over a Serve handle.

        The same application answers it as over HTTP, with the same authentication and checks. Its host is
        always `localhost`: a browser, from which the host's check protects, can't call a handle.
        """
        others = [(name, value) for name, value in headers if name.lower() != "host"]
        if own := serve_request_id():
            others = [*others, (request_ids.HEADER, own)]  # the caller's own comes first, and wins
        local = httpx.URL(url).copy_with(host="localhost")
        request = httpx.Request(method, local, headers=others, content=body)
        response = await httpx.ASGITransport(self._app).handle_async_request(request)
        return response.status_code, response.headers.multi_items(), await response.aread()


class Probes:
    """Asks all parts at once whether they answer. `probes` maps a part's name to its health check.

    Nobody needs a key for this, so however many ask, the parts are asked once in `_REPORT_FOR_S`.
    """

    def __init__(self, probes: Mapping[str, Any]) -> None:
        self._probes = probes
        self._lock = asyncio.Lock()
        self._report: dict[str, str] = {}
        self._valid_until_s = float("-inf")

    async def report(self) -> dict[str, str]:
        """Part -> "ready", or why it is not. Waits up to `_PROBE_TIMEOUT_S` for each part."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() >= self._valid_until_s:
                states = await asyncio.gather(*(_state(probe()) for probe in self._probes.values()))
                self._report = dict(zip(self._probes, states, strict=True))
                self._valid_until_s = loop.time() + _REPORT_FOR_S
            return dict(self._report)


async def _state(answer: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await answer
    except TimeoutError:
        return "does not answer yet"
    except WarmlineError as error:
        return message_of(error)
    return "ready"

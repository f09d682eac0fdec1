"""The FastAPI application."""

import time

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serve_app import problems
from serve_app.draining import Gated
from serve_app.edge_middleware import Edge
from serve_app.http import (
    cache,
    conversations,
    docs_page,
    documentation,
    documents,
    erasures,
    health,
    ideas,
    ingest,
    keys,
    metrics,
    openai,
    page,
    prompts,
    quotas,
    responses,
    support,
    templates,
    ticket_images,
    tickets,
    unknown_routes,
    usage,
)
from serve_app.metrics.http_requests import HttpMetrics
from serve_app.origins import origins
from serve_app.quota_gate import QuotaGate
from serve_app.services import Services
from serve_app.stored_limits import StoredLimits
from serve_app.tracing.requests import TracedRequests

_DESCRIPTION = (
    "RAG agents on your own model that never tokenize a document twice. A request's tenant is that of "
    "its API key (Authorization: Bearer ...); where no keys are configured, that of the header "
    "X-Business-Id, or else `default`."
)

_EXPOSED_HEADERS = ("ETag", "Location", "Retry-After", "X-Request-Id")
"""Response headers that a web page of another origin may read."""


def build_api(parts: Services) -> FastAPI:
    """The application with all routes, served from `parts`."""
    app = FastAPI(
        title="Warmline",
        description=_DESCRIPTION,
        docs_url=None,  # the page of `docs_page` loads nothing from other hosts
        redoc_url=None,
    )
    app.state.services = parts
    allowed = origins(parts.settings.cors_origins)
    app.add_middleware(
        Edge,
        key_ring=parts.key_ring,
        quotas=QuotaGate(parts.spending, StoredLimits(parts.limits)),
        max_file_bytes=parts.settings.max_body_bytes,
        allowed_origins=allowed,
    )
    app.add_middleware(HttpMetrics, meter=parts.meter, clock=time.monotonic)
    app.add_middleware(TracedRequests)
    app.add_middleware(Gated, gate=parts.gate)
    if allowed:  # added last, so it is the first that a request meets: a preflight has no API key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=_EXPOSED_HEADERS,
        )
    problems.install(app)
    for module in (
        support,
        ticket_images,
        tickets,
        templates,
        ideas,
        documentation,
        documents,
        ingest,
        openai,
        responses,
        conversations,
        cache,
        erasures,
        keys,
        quotas,
        usage,
        prompts,
        health,
        metrics,
        docs_page,
        page,
    ):
        app.include_router(module.router)
    unknown_routes.install(app)
    return app

"""The FastAPI application."""

from fastapi import FastAPI

from serve_app import problems
from serve_app.api import cache, documents, health, support
from serve_app.edge_middleware import Edge
from serve_app.services import Services


def build_api(parts: Services) -> FastAPI:
    """All routes over `parts`."""
    app = FastAPI(
        title="Warmline",
        description="RAG agents on your own model that never tokenize a document twice.",
        redoc_url=None,
    )
    app.state.services = parts
    app.add_middleware(Edge, max_bytes=parts.settings.max_body_bytes)
    problems.install(app)
    for module in (support, documents, cache, health):
        app.include_router(module.router)
    return app

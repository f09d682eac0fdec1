"""Which models to load: the configured ones, or those that came with the installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serve_app.settings import Settings
from serve_app.setup.models import embedded_embedding_model, ensure_embedded_llm


@dataclass(frozen=True, slots=True)
class Models:
    """Names or folders."""

    llm: str
    embedding: str


def local_models(settings: Settings, report: Callable[[str], None]) -> Models:
    """The models of `settings`; converts the embedded one where that was not done yet.

    `report` is told of the progress. Raises ConfigurationError.
    """
    return Models(
        llm=settings.model or str(ensure_embedded_llm(settings.models, report)),
        embedding=settings.embedding_model or str(embedded_embedding_model()),
    )

"""One application for all tests of this folder: it takes a minute to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from tests.integration.application.running import Application, running_application


@pytest.fixture(scope="session")
def application(embedded_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The real application: vLLM, tokenizer, embedded Redis server, SQLite, sample knowledge."""
    with running_application(tmp_path_factory.mktemp("state"), embedded_llm.parent) as application:
        yield application


@pytest.fixture(scope="session")
def encoder(embedded_llm: Path) -> BundleEncoder:
    """The serving tokenizer."""
    return BundleEncoder(load_bundle(str(embedded_llm)))

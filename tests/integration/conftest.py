"""What the tests against the real model share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serve_app.setup.catalog import EMBEDDED
from serve_app.setup.models import ensure_embedded_llm

_DEFAULT = Path(__file__).parents[2] / ".model_cache"


@pytest.fixture(scope="session")
def embedded_llm() -> Path:
    """The folder of the converted SmolLM2; the first run fetches and converts it, in half a minute."""
    folder = Path(os.environ.get("WARMLINE_TEST_MODEL_DIR", _DEFAULT))
    return ensure_embedded_llm(EMBEDDED["smollm2-135m"], "bfloat16", folder, print)

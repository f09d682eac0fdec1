from __future__ import annotations

import pytest

from tests.unit.core.reuse.library import Library


@pytest.fixture
def library() -> Library:
    """A head of two blocks and documents of two and a bit."""
    return Library([8, 8], [9, 9, 9, 9, 9])

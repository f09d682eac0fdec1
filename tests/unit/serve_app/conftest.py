"""The API over fakes."""

import pytest

from tests.unit.serve_app.fake_services import Api


@pytest.fixture
def api():
    """An open API: no keys, three passages to every question."""
    return Api()

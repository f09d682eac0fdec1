"""Which scope a request needs is decided for each route."""

from __future__ import annotations

import pytest

from deployments.core.access import KeyScope
from serve_app.auth import is_public
from serve_app.route_needs import needed_scope
from tests.unit.serve_app.fake_services import Api

ASKING = {
    "/v1/support/answer",
    "/v1/support/tickets/images",
    "/v1/business/templates/recall",
    "/v1/documentation/lookup",
    "/v1/cache/tokens",
    "/v1/cache/generate",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/conversations",
}


def operations() -> list[tuple[str, str]]:
    paths = Api().app.openapi()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    return [(method, path) for method, path in found if not is_public(path)]


@pytest.mark.parametrize(("method", "path"), operations())
def test_each_route_needs_the_scope_that_its_effect_asks_for(method: str, path: str) -> None:
    """Whoever adds a route that only asks adds it here too; all others that change something need more."""
    if path.startswith(("/v1/keys", "/v1/audit", "/v1/usage", "/v1/erasures")):
        expected = KeyScope.ADMIN
    elif method == "GET" or path in ASKING:
        expected = KeyScope.ASK
    else:
        expected = KeyScope.WRITE
    assert needed_scope(method, path) is expected


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/keys/", "/v1/keys/key-1", "/v1/audit", "/v1/audit/x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "BREW"])
def test_keys_need_the_scope_admin(path: str, method: str) -> None:
    """With any method."""
    assert needed_scope(method, path) is KeyScope.ADMIN


@pytest.mark.parametrize("path", sorted(ASKING))
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
def test_only_a_post_asks(path: str, method: str) -> None:
    """A document of the documentation can have the id `lookup`."""
    assert needed_scope(method, path) is KeyScope.WRITE


def test_unknown_routes_need_write() -> None:
    """Unless their method only reads."""
    assert needed_scope("POST", "/v1/nowhere") is KeyScope.WRITE
    assert needed_scope("GET", "/v1/keysmith") is KeyScope.ASK

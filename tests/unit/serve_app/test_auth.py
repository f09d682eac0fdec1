"""A request's tenant comes from its API key; from its header only if no keys are configured."""

import pytest
from starlette.datastructures import Headers

from deployments.core.errors import Forbidden, InvalidRequest, Unauthorized
from serve_app.auth import Tenants

OPEN = Tenants({})
KEYED = Tenants({"acme-key-0123456789": "acme", "other-key-0123456789": "other"})


def bearer(key, **more):
    return Headers({"Authorization": f"Bearer {key}", **more})


def test_without_keys_the_header_names_the_tenant():
    """Without the header, the tenant is `default`."""
    assert OPEN.of(Headers({"X-Business-Id": "acme"})) == "acme"
    assert OPEN.of(Headers({})) == "default"


def test_without_keys_a_presented_key_means_nothing():
    """An open API accepts any key."""
    assert OPEN.of(bearer("whatever")) == "default"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a*", "../x", "x" * 65, "ä"])
@pytest.mark.parametrize("tenants", [OPEN])
def test_a_name_that_cannot_be_one_is_refused(tenants, name):
    """The name becomes part of cache keys."""
    with pytest.raises(InvalidRequest) as refused:
        tenants.of({"x-business-id": name})
    assert refused.value.param == "business_id"


@pytest.mark.parametrize(
    "headers",
    [
        bearer("acme-key-0123456789"),
        Headers({"authorization": "bearer   acme-key-0123456789 "}),
        Headers({"X-Api-Key": "acme-key-0123456789"}),
        bearer("acme-key-0123456789", **{"X-Business-Id": "acme"}),
        Headers({"Authorization": "Basic Zm9v", "X-Api-Key": "acme-key-0123456789"}),
    ],
)
def test_a_key_names_its_tenant(headers):
    """As a bearer token or in X-Api-Key, with or without the tenant's header."""
    assert KEYED.of(headers) == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        Headers({}),
        Headers({"X-Business-Id": "acme"}),
        Headers({"Authorization": "Bearer "}),
        Headers({"Authorization": "Bearer"}),
        Headers({"Authorization": "acme-key-0123456789"}),
        Headers({"Authorization": "Basic acme-key-0123456789"}),
        Headers({"X-Api-Key": ""}),
        bearer("acme-key-012345678"),
        bearer("acme-key-0123456789x"),
        bearer("ACME-KEY-0123456789"),
        bearer("acme"),
        bearer("é"),
    ],
)
def test_no_key_or_an_unknown_one_is_refused(headers):
    """The tenant's header does not replace a key, and a key must match exactly."""
    with pytest.raises(Unauthorized):
        KEYED.of(headers)


@pytest.mark.parametrize("named", ["other", "acme2", "", "a/b", "ACME"])
def test_a_header_that_contradicts_the_key_is_forbidden(named):
    """A key gives access to its own tenant only."""
    with pytest.raises(Forbidden):
        KEYED.of(bearer("acme-key-0123456789", **{"X-Business-Id": named}))


def test_keys_are_not_kept():
    """The object stores digests only."""
    assert "acme-key" not in str(vars(KEYED))

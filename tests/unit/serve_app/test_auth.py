"""A request's tenant comes from its API key; from its header only if no keys are configured."""

import pytest
from starlette.datastructures import Headers

from deployments.core.access import EVERYTHING, KeyRecord, KeyScope, digest_of
from deployments.core.errors import Forbidden, InvalidRequest, Unauthorized
from deployments.core.ids import TenantId
from serve_app.auth import KeyRing

STORED = "wl-a-stored-key"
OPERATOR = "operator-key-0123456789"


class OneStoredKey:
    """Finds the key `STORED`, and counts how often it is asked."""

    asked = 0

    async def find(self, digest: bytes) -> KeyRecord | None:
        self.asked += 1
        scopes = frozenset({KeyScope.ASK})
        known = digest == digest_of(STORED)
        return KeyRecord("key-1", TenantId("acme"), scopes, {digest: 1e12}) if known else None


OPEN = KeyRing({}, OneStoredKey())
KEYED = KeyRing(
    {"acme-key-0123456789": "acme", "other-key-0123456789": "other", OPERATOR: "*"}, OneStoredKey()
)


def bearer(key, **more):
    return Headers({"Authorization": f"Bearer {key}", **more})


async def test_without_keys_the_header_names_the_tenant():
    """Without the header, the tenant is `default`."""
    assert (await OPEN.access(Headers({"X-Business-Id": "acme"}))).tenant == "acme"
    assert (await OPEN.access(Headers({}))).tenant == "default"


async def test_without_keys_a_presented_key_means_nothing():
    """An open API accepts any key."""
    assert (await OPEN.access(bearer("whatever"))).tenant == "default"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a*", "../x", "x" * 65, "ä"])
async def test_a_name_that_cannot_be_one_is_refused(name):
    """The name becomes part of cache keys."""
    with pytest.raises(InvalidRequest) as refused:
        await OPEN.access({"x-business-id": name})
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
async def test_a_key_names_its_tenant(headers):
    """As a bearer token or in X-Api-Key, with or without the tenant's header."""
    assert (await KEYED.access(headers)).tenant == "acme"


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
async def test_no_key_or_an_unknown_one_is_refused(headers):
    """The tenant's header does not replace a key, and a key must match exactly."""
    with pytest.raises(Unauthorized):
        await KEYED.access(headers)


@pytest.mark.parametrize("named", ["other", "acme2", "", "a/b", "ACME"])
async def test_a_header_that_contradicts_the_key_is_forbidden(named):
    """A key gives access to its own tenant only."""
    with pytest.raises(Forbidden):
        await KEYED.access(bearer("acme-key-0123456789", **{"X-Business-Id": named}))


def test_keys_are_not_kept():
    """The object stores digests only."""
    assert "acme-key" not in str(vars(KEYED))


async def test_a_key_from_the_settings_may_do_everything():
    """As keys could before there were scopes."""
    assert (await KEYED.access(bearer("acme-key-0123456789"))).scopes == EVERYTHING


async def test_a_stored_key_names_its_tenant_and_has_its_scopes():
    """Its id is the stored one."""
    access = await KEYED.access(bearer(STORED))
    assert (access.tenant, access.scopes, access.key_id) == ("acme", frozenset({KeyScope.ASK}), "key-1")
    with pytest.raises(Forbidden):
        await KEYED.access(bearer(STORED, **{"X-Business-Id": "other"}))


async def test_a_missing_scope_is_named():
    """The error says whom to ask."""
    access = await KEYED.access(bearer(STORED))
    access.check(KeyScope.ASK)
    with pytest.raises(Forbidden, match="lacks the scope write"):
        access.check(KeyScope.WRITE)


async def test_without_keys_in_the_settings_stored_ones_mean_nothing():
    """An open API does not read them."""
    ring = KeyRing({}, stored := OneStoredKey())
    assert (await ring.access(bearer(STORED, **{"X-Business-Id": "other"}))).tenant == "other"
    assert not stored.asked


async def test_the_operators_key_acts_for_the_named_tenant():
    """Without the header, for `default`."""
    assert (await KEYED.access(bearer(OPERATOR))).tenant == "default"
    assert (await KEYED.access(bearer(OPERATOR, **{"X-Business-Id": "other"}))).tenant == "other"
    with pytest.raises(InvalidRequest):
        await KEYED.access(bearer(OPERATOR, **{"X-Business-Id": "a*"}))


async def test_what_does_not_look_like_a_stored_key_is_not_looked_up():
    """Guesses cost nothing."""
    ring = KeyRing({OPERATOR: "*"}, stored := OneStoredKey())
    with pytest.raises(Unauthorized):
        await ring.access(bearer("a-guess-0123456789"))
    assert not stored.asked

"""Names that callers choose are safe inside keys, paths and headers, or refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.ids import CollectionName, Scope, TenantId, collection_name, doc_id, tenant_id

RULES = [(tenant_id, "business_id", 64), (collection_name, "collection", 64), (doc_id, "doc_id", 200)]
HOSTILE = [
    "",
    " ",
    "a b",
    "a/b",
    "../etc",
    ".",
    "-x",
    "_x",
    "a*",
    "a?",
    "a[b]",
    "a{b}",
    "a\n",
    "\na",
    "a\0",
    "a\r\nX: y",
    "ä",
    "а",  # noqa: RUF001  (Cyrillic)
    "a\u200b",
    "٣",
    "\ud800",
    "a%2Fb",
    "a\\b",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("check", "param", "_"), RULES)
def test_hostile_names_are_refused(check, param, _, name):
    """Separators, globs, controls, blanks, look-alikes and empty names raise, naming the parameter."""
    with pytest.raises(InvalidRequest) as refused:
        check(name)
    assert refused.value.param == param
    assert param in refused.value.message


@pytest.mark.parametrize(("check", "_", "longest"), RULES)
def test_length_is_bounded(check, _, longest):
    """The longest name passes, one character more does not."""
    assert check("a" * longest) == "a" * longest
    with pytest.raises(InvalidRequest):
        check("a" * (longest + 1))


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (tenant_id, "Acme-2.eu_west"),
        (tenant_id, "7"),
        (collection_name, "support_kb"),
        (doc_id, "Reset-password.md:v2_a"),
    ],
)
def test_ordinary_names_pass_unchanged(check, name):
    """What people really use is allowed and not normalized."""
    assert check(name) == name


@pytest.mark.parametrize("name", ["Support", "1st", "a-b", "a.b"])
def test_collections_are_narrower(name):
    """A collection's name starts with a lower-case letter and has neither dash nor dot."""
    with pytest.raises(InvalidRequest, match="first a letter"):
        collection_name(name)


@given(st.text(max_size=70))
def test_what_passes_cannot_leave_its_place_in_a_key(text):
    """Whatever is accepted holds no separator, glob, blank or control character."""
    for check, _, _ in RULES:
        try:
            accepted = check(text)
        except InvalidRequest:
            continue
        assert accepted == text
        assert not set(accepted) & set("/*?[]{}\\ \t\n\r\0%")
        assert accepted.isascii()


def test_scopes_of_different_tenants_never_share_a_prefix():
    """A scope's text ends its tenant with `/`, so `a` is no prefix of what belongs to `ab`."""
    short = str(Scope(TenantId("a"), CollectionName("kb")))
    long = str(Scope(TenantId("ab"), CollectionName("kb")))
    assert short == "a/kb"
    assert not long.startswith("a/")

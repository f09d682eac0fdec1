"""Names that callers choose are safe inside keys, paths and headers, or refused by name."""

import posixpath
import time
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.ids import (
    CollectionName,
    Scope,
    TenantId,
    collection_name,
    doc_id,
    doc_id_pattern,
    tenant_id,
)

NARROW = [(tenant_id, "business_id", 64), (collection_name, "collection", 64)]
RULES = [*NARROW, (doc_id, "doc_id", 200), (doc_id_pattern, "pattern", 200)]
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


INVISIBLE = [
    "",
    " ",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\0",
    "a\r\nX: y",
    "a\u200b",
    "a\xa0b",
    "a\u202eb",
    "\ud800",
    "a\ufffd",
    "a\\b",
]
DROPPED_FROM_PATHS = [
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../etc",
    "a/../b",
    "a/./b",
    "a/..",
    "https://",
    "https://a/",
    "https://a//b",
    "ftp://a",
    "a/https://b",
]
DOC_IDS = [
    "Reset-password.md:v2_a",
    "guides/setup.md",
    "Über uns (2).md",
    "日本語/はじめに.md",
    "https://acme.example/help?id=3&lang=de#top",
    "http://localhost:8000/a",
    "~user/.config/a+b=c,d@e.txt",
    "100%",
    "a%2Fb",
    "a*[1]?",
    "...",
    "api/versions",
    "😀",
]


@pytest.mark.parametrize("name", INVISIBLE)
@pytest.mark.parametrize(("check", "param", "_"), RULES)
def test_what_no_reader_sees_is_refused(check, param, _, name):
    """Controls, blanks at the ends, formatting characters, halves of characters, and backslashes."""
    with pytest.raises(InvalidRequest) as refused:
        check(name)
    assert refused.value.param == param


@pytest.mark.parametrize("name", DROPPED_FROM_PATHS)
def test_what_clients_drop_from_a_path_is_refused_in_ids(name):
    """A client that drops it would address another document, or none. The error says the rule."""
    with pytest.raises(InvalidRequest, match="separated by single `/`") as refused:
        doc_id(name)
    assert refused.value.param == "doc_id"


@pytest.mark.parametrize("name", DOC_IDS)
def test_paths_and_addresses_are_ids(name):
    assert doc_id(name) == name
    assert doc_id_pattern(name) == name


def test_an_id_has_one_form():
    """macOS writes `ü` as two characters, others as one: both name the same document."""
    assert doc_id("u\u0308ber") == doc_id("über") == "über"
    assert doc_id("u\u0308" * 200) == "ü" * 200


def test_a_long_id_costs_no_time():
    """Normalising takes quadratic time for many combining characters, so the length is checked first."""
    began_s = time.process_time()
    for check in (doc_id, doc_id_pattern):
        with pytest.raises(InvalidRequest):
            check("a" + "\u0316\u0301" * 500_000)
    assert time.process_time() - began_s < 1


@given(st.text(max_size=250) | st.lists(st.text("a./ é\u0301", max_size=4)).map("/".join))
def test_an_id_can_be_sent_in_a_path(text):
    """What is accepted survives a client that normalises paths, decoding, and being checked again."""
    try:
        accepted = doc_id(text)
    except InvalidRequest:
        return
    assert doc_id(accepted) == accepted
    assert len(accepted) <= 200
    assert accepted.isprintable()
    path = "/documents/" + quote(accepted, safe="/")
    if not accepted.startswith(("http://", "https://")):
        assert posixpath.normpath(path) == path
    assert unquote(path.removeprefix("/documents/")) == accepted


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("check", "param", "_"), NARROW)
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
    for check, _, _ in NARROW:
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

"""Names in Redis: equal only for equal things, and no scope's prefix is a prefix of another scope's."""

import fnmatch
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from deployments.core.errors import InvalidRequest
from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.core.segments import SEGMENT_SCHEMA_VERSION
from deployments.token_cache import keys
from deployments.token_cache.keys import (
    counted_name,
    counters_name,
    popularity_name,
    segment_key,
    segment_prefix,
    segments_pattern,
)

any_text = st.text(st.characters(), max_size=40)  # st.characters() has lone surrogates
# Few characters, so that one name is often the start of another.
tenants = st.from_regex(r"[aA0][a._-]{0,2}", fullmatch=True).map(TenantId)
collections = st.from_regex(r"[ab][a_0]{0,2}", fullmatch=True).map(CollectionName)
scopes = st.builds(Scope, tenants, collections)
FINGERPRINT = Fingerprint("f")


@given(st.tuples(any_text, any_text, any_text), st.tuples(any_text, any_text, any_text))
def test_keys_are_equal_exactly_when_all_fields_are(one, other):
    def key(fields):
        fingerprint, flags, text = fields
        return segment_key(Fingerprint(fingerprint), text, flags=flags)

    assert (key(one) == key(other)) == (one == other)


@given(any_text, st.integers(0, 40), st.integers(0, 40))
def test_moving_characters_between_fields_changes_the_key(text, cut, other_cut):
    cut, other_cut = min(cut, len(text)), min(other_cut, len(text))
    one = segment_key(Fingerprint(text[:cut]), text[cut:])
    other = segment_key(Fingerprint(text[:other_cut]), text[other_cut:])
    assert (one == other) == (cut == other_cut)


def test_a_new_schema_version_changes_every_key(monkeypatch):
    before = segment_key(FINGERPRINT, "text")
    monkeypatch.setattr(keys, "SEGMENT_SCHEMA_VERSION", SEGMENT_SCHEMA_VERSION + 1)
    assert segment_key(FINGERPRINT, "text") != before


def test_the_key_of_a_text_is_the_same_in_every_process():
    key = segment_key(Fingerprint("fp"), "\n\n### Title\nBody é \ud800", flags="x")
    assert key == "445b2d8c17a54e74065bc0f5a543d3484615145ad664aac0"


@given(any_text)
def test_a_key_is_48_hex_digits(text):
    key = segment_key(FINGERPRINT, text)
    assert len(key) == 48
    assert set(key) <= set("0123456789abcdef")


@given(scopes, scopes)
def test_a_pattern_matches_names_of_its_own_tenant_and_collection_only(asked, stored):
    name = segment_prefix(stored) + segment_key(FINGERPRINT, "text")
    of_tenant = segments_pattern(asked.tenant, None)
    of_collection = segments_pattern(asked.tenant, asked.collection)
    assert fnmatch.fnmatchcase(name, of_tenant) == (asked.tenant == stored.tenant)
    assert fnmatch.fnmatchcase(name, of_collection) == (asked == stored)


@given(scopes, scopes)
def test_no_two_scopes_share_a_name_and_no_pattern_of_segments_matches_counters(one, other):
    names = [make(scope) for make in (counters_name, popularity_name) for scope in {one, other}]
    assert len(set(names)) == len(names)
    assert not any(fnmatch.fnmatchcase(name, segments_pattern(one.tenant, None)) for name in names)


@given(scopes)
def test_a_batch_number_is_in_the_same_slot_as_what_the_batch_counts(scope):
    for name in (counters_name(scope), popularity_name(scope)):
        assert key_slot(counted_name(name, "writer").encode()) == key_slot(name.encode())


@pytest.mark.parametrize("bad", ["*", "a/b", "a*", "", "[ab]", "a b", "a\n", "?"])
def test_an_unchecked_name_reaches_no_pattern(bad):
    good = Scope(TenantId("a"), CollectionName("kb"))
    scope_of = {
        "tenant": Scope(TenantId(bad), good.collection),
        "collection": Scope(good.tenant, CollectionName(bad)),
    }
    for make, scope in itertools.product((segment_prefix, counters_name, popularity_name), scope_of.values()):
        with pytest.raises(InvalidRequest):
            make(scope)
    with pytest.raises(InvalidRequest):
        segments_pattern(TenantId(bad), None)

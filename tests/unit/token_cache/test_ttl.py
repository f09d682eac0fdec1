"""Lifetimes by collection."""

import pytest

from deployments.core.ids import collection_name
from deployments.token_cache.ttl import segment_ttl_s


@pytest.mark.parametrize(
    ("collection", "ttl_s"),
    [("support_kb", 3600), ("business_templates", 3600), ("documentation", 7200), ("own", 3600)],
)
def test_each_collection_has_the_lifetime_of_its_agent(collection, ttl_s):
    assert segment_ttl_s(collection_name(collection)) == ttl_s


def test_an_override_wins_for_its_collection_only():
    overrides = {collection_name("documentation"): 60, collection_name("own"): 5}
    found = [segment_ttl_s(collection_name(c), overrides) for c in ("documentation", "own", "support_kb")]
    assert found == [60, 5, 3600]

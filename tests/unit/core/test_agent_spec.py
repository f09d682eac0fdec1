"""How long segments stay in the shared store follows from the agents' rows."""

import pytest

from deployments.agents.specs import AGENTS
from deployments.core.agent_spec import OTHER_TTL_S, segment_ttl_s
from deployments.core.ids import collection_name


@pytest.mark.parametrize(
    ("collection", "ttl_s"),
    [("support_kb", 3600), ("business_templates", 3600), ("documentation", 7200)],
)
def test_each_collection_has_the_lifetime_of_its_agent(collection, ttl_s):
    """As the documentation promises."""
    assert segment_ttl_s(AGENTS, collection_name(collection)) == ttl_s


def test_a_collection_without_an_agent_has_a_lifetime_too():
    """Its segments are written through like others."""
    assert segment_ttl_s(AGENTS, collection_name("support_memory")) == OTHER_TTL_S

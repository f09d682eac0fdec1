"""Which servers' KV events are followed, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from deployments.engine.config import EventAddresses
from deployments.engine.remote.event_source import EventSource, usable_events
from deployments.engine.remote.figures import CacheConfig

CACHE = CacheConfig(32, 3200, True, "sha256_cbor", 1)
SOURCE = EventSource("tcp://*:5557", "tcp://*:5558", "zmq")


@pytest.mark.parametrize(
    ("url", "published", "expected"),
    [
        ("http://gpu-1:8000", None, EventAddresses("tcp://gpu-1:5557", "tcp://gpu-1:5558")),
        ("https://gpu-1/a", "tcp://pod:9", EventAddresses("tcp://pod:9", "tcp://pod:5558")),
        ("http://[::1]:8000", None, EventAddresses("tcp://[::1]:5557", "tcp://[::1]:5558")),
    ],
)
def test_events_are_at_the_servers_host_unless_it_is_named(
    url: str, published: str | None, expected: EventAddresses
) -> None:
    """A server binds them to any address, so that it does not know by which it is reached."""
    assert usable_events({"0": SOURCE}, CACHE, published, url) == expected


@pytest.mark.parametrize(
    ("sources", "cache", "reason"),
    [
        ({}, {}, "publishes none"),
        ({"0": {"enable_kv_cache_events": False}}, {}, "publishes none"),
        ({"0": {"publisher": "null"}}, {}, "publishes none"),
        ({"0": {}, "1": {}}, {}, "several engines"),
        ({"0": {}}, {"engines": 2}, "several engines"),
        ({"0": {"replay_endpoint": None}}, {}, "does not repeat"),
        ({"0": {}}, {"hash_algorithm": "sha256"}, "names blocks by sha256"),
    ],
)
def test_what_can_not_be_followed_has_a_reason(
    sources: dict[str, Any], cache: dict[str, Any], reason: str
) -> None:
    """The reason says with what to start the server."""
    given = {name: msgspec.structs.replace(SOURCE, **changes) for name, changes in sources.items()}
    found = usable_events(given, replace(CACHE, **cache), None, "http://gpu-1:8000")
    assert isinstance(found, str)
    assert reason in found

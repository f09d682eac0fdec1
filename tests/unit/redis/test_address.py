"""What a REDIS_URL can say, and which ones are refused."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.redis.address import SCHEMES, RedisAddress, Topology

HOSTS = st.sampled_from(["cache", "10.0.0.1", "::1", "redis-0.redis.svc.cluster.local"])
NODES = st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=5)
WORDS = st.text(min_size=1, max_size=20)


def written(nodes: list[tuple[str, int]]) -> str:
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in nodes)


@given(st.sampled_from(["redis", "rediss"]), WORDS, NODES, st.integers(0, 15))
def test_a_sentinel_group(scheme, password, nodes, database):
    """Any password and name survive; the first host stands for all in redis-py's form."""
    word, name = quote(password, ""), quote("my master", "")
    address = RedisAddress.parse(
        f"{scheme}+sentinel://me:{word}@{written(nodes)}/{name}/{database}?timeout=1"
    )
    assert (address.topology, list(address.nodes)) == (Topology.SENTINEL, nodes)
    assert address.master == "my master"
    assert address.plain_url == f"{scheme}://me:{word}@{written(nodes[:1])}/{database}?timeout=1"


@given(st.sampled_from(["redis", "rediss"]), NODES, st.sampled_from(["", "/", "/0"]))
def test_a_cluster(scheme, nodes, path):
    address = RedisAddress.parse(f"{scheme}+cluster://{written(nodes)}{path}")
    assert (address.topology, list(address.nodes)) == (Topology.CLUSTER, nodes)
    assert address.plain_url == f"{scheme}://{written(nodes[:1])}/0?"


@pytest.mark.parametrize("url", ["redis://cache:1/3?a=b", "rediss://:x@cache", "unix:///run/redis.sock?db=1"])
def test_one_server_is_as_redis_py_reads_it(url):
    assert RedisAddress.parse(url) == RedisAddress(Topology.SERVER, (), "", url)


def test_ports_have_the_usual_defaults():
    assert RedisAddress.parse("redis+sentinel://a,b:1/m").nodes == [("a", 26379), ("b", 1)]
    assert RedisAddress.parse("redis+cluster://a").nodes == [("a", 6379)]


def test_the_urls_of_sentinels_have_their_own_password():
    url = "rediss+sentinel://me:mine@a:1,b:2/m/3?sentinel_password=p%40ss&ssl_ca_certs=/ca.pem"
    assert RedisAddress.parse(url).sentinels() == [
        "rediss://:p%40ss@a:1?ssl_ca_certs=%2Fca.pem",
        "rediss://:p%40ss@b:2?ssl_ca_certs=%2Fca.pem",
    ]
    assert RedisAddress.parse("redis://a").sentinels() == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://:hunter2@a", "redis+cluster://"),
        ("hunter2", "redis+sentinel://"),
        ("redis+sentinel://:hunter2@a:1", "name of the Sentinel group"),
        ("redis+sentinel://:hunter2@a:1//0", "name of the Sentinel group"),
        ("redis+sentinel://:hunter2@a:1/m/x", "name of the Sentinel group"),
        ("redis+sentinel://:hunter2@a:1/m/0/1", "name of the Sentinel group"),
        ("redis+sentinel://:hunter2@/m/0", "host:port"),
        ("redis+sentinel://:hunter2@a:1,/m/0", "host:port"),
        ("redis+cluster://:hunter2@a:port", "host:port"),
        ("redis+cluster://:hunter2@a:99999", "host:port"),
        ("redis+cluster://:hunter2@[::1", "host:port"),
        ("redis+cluster://:hunter2@a/1", "database 0"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_form_that_can(url, says):
    """Without the password."""
    with pytest.raises(ValueError, match="must") as refused:
        RedisAddress.parse(url)
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)


@given(st.sampled_from(SCHEMES), st.text(max_size=40))
def test_any_text_is_read_or_refused_one_way(scheme, rest):
    """The message is ours: urllib's may quote a password."""
    with suppress(ValueError):
        RedisAddress.parse(scheme + rest)
        return
    with pytest.raises(ValueError, match=r"^must "):
        RedisAddress.parse(scheme + rest)

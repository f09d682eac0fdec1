"""What a Redis URL can contain: a password, TLS, options; and which URLs are refused at the start."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.core.errors import CacheUnavailable, ConfigurationError
from deployments.redis.connection import RedisLink
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.integration.redis.redis_peers import KEYS, PATIENT_S, A, opened, peer, valkey
from tests.redis_topologies import cluster, one_server, sentinel_group


async def test_a_password_is_used_and_a_wrong_one_is_a_failure(tmp_path):
    async with valkey(tmp_path, "--requirepass", "p@ss word") as url:
        right, wrong = (url.replace("//", f"//:{word}@", 1) for word in ("p%40ss%20word", "no"))
        async with opened(right, timeout_s=PATIENT_S) as link:
            await link.call(("PING",))
        for refused in (url, wrong):
            async with opened(refused, timeout_s=PATIENT_S) as link:
                with pytest.raises(CacheUnavailable):
                    await link.call(("PING",))


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1, in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = Path(tmp_path / "certificate.pem")
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_in_front(path: Path, certificate: Path) -> AsyncIterator[str]:
    """Terminates TLS and forwards to the server, because the embedded server is built without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path / "sock")

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
            sink.close()

        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async with peer(path, forward, context) as url:
        yield url


async def test_tls_with_a_password_works_where_the_certificate_is_trusted(tmp_path, certificate):
    async with valkey(tmp_path, "--requirepass", "secret"), tls_in_front(tmp_path, certificate) as url:
        trusted = url.replace("//", "//:secret@") + f"?ssl_ca_certs={certificate}"
        async with opened(trusted, timeout_s=PATIENT_S) as link:
            store = RedisSegmentStore(link)
            await store.put_many(A, {KEYS[0]: os.urandom(100_000), KEYS[1]: b"x"}, 60)
            assert await store.get_many(A, KEYS[1:]) == [b"x", None]
        async with opened(url, timeout_s=PATIENT_S) as link:
            with pytest.raises(CacheUnavailable) as refused:
                await link.call(("PING",))
            assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)


@pytest.mark.system
@pytest.mark.parametrize("kind", [one_server, sentinel_group, cluster])
async def test_tls_to_every_server_and_sentinel(tmp_path, certificate, kind):
    """The embedded server is built without TLS, Debian's with it."""
    found = shutil.which("redis-server")
    tls = ["--tls-cert-file", certificate, "--tls-key-file", certificate, "--tls-ca-cert-file", certificate]
    if kind is cluster:
        tls += ["--tls-cluster", "yes"]
    with kind(
        tmp_path, *tls, "--tls-auth-clients", "no", binary=Path(found or "redis-server"), tls=True
    ) as servers:
        url = f"{servers.url}?ssl_ca_certs={certificate}"
        async with opened(url, timeout_s=PATIENT_S) as link:
            store = RedisSegmentStore(link)
            await store.put_many(A, dict.fromkeys(KEYS, b"x"), 60)
            assert await store.get_many(A, KEYS) == [b"x"] * len(KEYS)
        async with opened(servers.url, timeout_s=PATIENT_S) as link:
            with pytest.raises(CacheUnavailable):
                await link.call(("GET", "a"))


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@127.0.0.1",
        "redis://:hunter2@127.0.0.1:port",
        "redis://:hunter2@127.0.0.1:99999",
        "redis://:hunter2@127.0.0.1?no_such_option=1",
        "redis://:hunter2@127.0.0.1?db=x",
        "rediss://:hunter2@127.0.0.1?ssl_ca_certs=/does/not/exist",
        "rediss://:hunter2@127.0.0.1?ssl_cert_reqs=maybe",
        "redis+sentinel://:hunter2@127.0.0.1/name?no_such_option=1",
        "rediss+sentinel://:hunter2@127.0.0.1/name?ssl_ca_certs=/does/not/exist",
        "rediss+cluster://:hunter2@127.0.0.1?ssl_ca_certs=/does/not/exist",
    ],
)
def test_a_url_that_cannot_work_stops_the_start_and_its_password_is_not_shown(url):
    with pytest.raises(ConfigurationError, match="REDIS_URL") as refused:
        RedisLink(url)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


async def test_options_in_the_url_do_not_change_what_the_store_relies_on(tmp_path):
    hostile = "?decode_responses=true&protocol=3&socket_timeout=60&max_connections=1&timeout=60"
    async with valkey(tmp_path) as url, opened(url + hostile, timeout_s=PATIENT_S) as link:
        await RedisSegmentStore(link).put_many(A, {KEYS[0]: b"\xff"}, 60)
        assert await RedisSegmentStore(link).get_many(A, KEYS[:1]) == [b"\xff"]

"""Who may call the API is decided by the head of a request, before its body is read."""

from typing import Any

import pytest

from serve_app.auth import is_public
from serve_app.ingress import Ingress
from tests.unit.serve_app.fake_services import Api, error_of
from tests.unit.serve_app.test_edge import scope

KEY = "acme-key-0123456789"
KEYS: dict[str, Any] = {"api_keys": f"{KEY}=acme"}
MODELS = "/v1/models"
LOCAL_HOSTS = [
    "localhost",
    "LocalHost:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.255.3.4:1",
    "[::1]",
    "[::1]:8000",
]
OTHER_HOSTS = [
    "",
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "ingress",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::ffff:10.0.0.1]",
    "::1",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost:8000:8000",
    "localhost, evil.example",
    "2130706433",
]


async def status_of(api, asked):
    """The status of a request whose body can't be read."""
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    await api.app(asked, receive, send)
    return sent[0]["status"]


def operations():
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, found in Api().app.openapi()["paths"].items()
        for method in found
    ]


@pytest.mark.parametrize(("method", "path"), [*operations(), ("POST", "/nowhere")])
async def test_without_a_key_no_body_is_read(method, path):
    """On every route but the public ones, whatever the body's declared length."""
    if not is_public(path):
        for length in ("9700000", "9" * 30):
            asked = scope(path, **{"content-length": length}) | {"method": method}
            assert await status_of(Api(**KEYS), asked) == 401


@pytest.mark.parametrize("path", ["/healthz", "/health", "/readyz", "/docs", "/openapi.json"])
async def test_public_paths_need_no_key(path):
    """Probes, and the description of the API."""
    assert (await Api(**KEYS).http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["//v1/models", "/healthz/", "/docs/../v1/models", "/page", "/v1/page/x", "/HEALTHZ"]
)
def test_what_only_looks_like_a_public_path_is_none(path):
    """A path is compared as a whole."""
    assert not is_public(path)


@pytest.mark.parametrize("path", ["/page/../v1/models", "/page/%2e%2e/v1/models", "//v1/models", "/page/"])
async def test_no_spelling_of_a_path_leads_past_the_key(path):
    """The router does not resolve dots, so such a path leads nowhere."""
    asked = scope(path) | {"method": "GET"}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await Api(**KEYS).app(asked, receive, send)
    assert sent[0]["status"] in {307, 401, 404}


@pytest.mark.parametrize("host", LOCAL_HOSTS)
async def test_without_keys_loopback_hosts_are_served(api, host):
    """With any port."""
    assert (await api.http.get(MODELS, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", [MODELS, "/readyz", "/docs"])
@pytest.mark.parametrize("host", OTHER_HOSTS)
async def test_without_keys_no_other_host_is_served(api, host, path):
    """A web page whose name leads to 127.0.0.1 reads nothing; the error says what to do."""
    response = await api.http.get(path, headers={"Host": host})
    assert response.status_code == 403
    message = error_of(response)["message"]
    assert "WARMLINE_API_KEYS" in message
    assert "localhost" in message


async def test_without_keys_every_host_header_counts(api):
    """A second one, or none, is refused."""
    asked = scope(MODELS)
    asked["headers"].append((b"host", b"evil.example"))
    assert await status_of(api, asked) == 403
    asked["headers"] = []
    assert await status_of(api, asked) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("https://127.0.0.1", 200),
        ("http://[::1]:8000", 200),
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("localhost", 403),
        ("file://", 403),
    ],
)
async def test_without_keys_web_pages_of_other_hosts_are_refused(api, origin, status):
    """A page on the internet can send requests to localhost, whose `Host` is right."""
    response = await api.http.post("/v1/support/answer", json={"query": "x"}, headers={"Origin": origin})
    assert response.status_code == status
    if status == 403:
        assert "WARMLINE_API_KEYS" in error_of(response)["message"]


async def test_with_keys_any_host_is_served():
    """A web page does not know the key."""
    headers = {"Host": "warmline.example", "Origin": "https://shop.example", "X-Api-Key": KEY}
    assert (await Api(**KEYS).http.get(MODELS, headers=headers)).status_code == 200


@pytest.mark.parametrize("host", ["ingress", "evil.example"])
async def test_calls_over_a_handle_have_no_host(api, host):
    """Only processes of the Ray cluster can make one."""
    ingress = Ingress.__new__(Ingress)
    ingress._app = api.app
    headers = [("Host", host), ("x-business-id", "acme")]
    status, _, body = await ingress.call("GET", f"http://{host}{MODELS}?x=1", headers, b"")
    assert status == 200
    assert b"support" in body

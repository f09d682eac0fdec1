"""Web pages of other origins: only those that the operator has named may call the API."""

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.origins import origins
from serve_app.settings import Settings
from tests.unit.serve_app.fake_services import Api, error_of

CHAT = "/v1/chat/completions"
APP = "https://app.example.com"
KEY = "0123456789abcdef"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-business-id",
}


async def preflight(api, origin):
    return await api.http.options(CHAT, headers={"Origin": origin, **PREFLIGHT})


@pytest.mark.parametrize(
    ("origin", "settings"),
    [
        (APP, {"cors_origins": f"http://localhost:3000, {APP}"}),
        ("http://localhost:3000", {"cors_origins": "http://localhost:3000"}),
        (APP, {"cors_origins": APP, "api_keys": f"{KEY}=acme"}),
        (APP, {"cors_origins": "*", "api_keys": f"{KEY}=acme"}),
    ],
)
async def test_a_named_origin_may_ask(origin, settings):
    """A preflight needs no API key. Answers and errors can be read."""
    api = Api(**settings)
    response = await preflight(api, origin)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] in {origin, "*"}
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]
    headers = {"Origin": origin, "Authorization": f"Bearer {KEY}"}
    found = await api.http.get("/v1/models", headers=headers)
    missing = await api.http.get("/v1/nothing", headers=headers)
    assert (found.status_code, missing.status_code) == (200, 404)
    for answered in (found, missing):
        assert answered.headers["access-control-allow-origin"] in {origin, "*"}
        assert "X-Request-Id" in answered.headers["access-control-expose-headers"]


async def test_an_error_before_the_route_can_be_read_too():
    """A page shows its user that the key is wrong."""
    api = Api(cors_origins=APP, api_keys=f"{KEY}=acme")
    response = await api.http.get("/v1/models", headers={"Origin": APP})
    assert error_of(response)["code"] == "unauthorized"
    assert response.headers["access-control-allow-origin"] == APP


async def test_no_other_origin_may_ask():
    """Without keys it is not answered at all."""
    api = Api(cors_origins=APP)
    assert (await preflight(api, "https://evil.example")).status_code == 400
    response = await api.http.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


async def test_by_default_no_page_of_another_origin_may_ask(api):
    """The operator has to name it."""
    response = await preflight(api, "http://localhost:3000")
    assert response.status_code == 405
    assert not any(name.startswith("access-control") for name in response.headers)


async def test_the_host_is_still_checked():
    """A page whose name leads to loopback is refused whatever origins are named."""
    response = await Api(cors_origins=APP).http.get("/v1/models", headers={"Host": "app.example.com"})
    assert response.status_code == 403


@pytest.mark.parametrize("raw", ["app.example.com", f"{APP}/", f"{APP}/page", "null", f"{APP};{APP}/", "*."])
def test_what_is_no_origin_stops_the_start(raw):
    """The message shows how one looks."""
    with pytest.raises(ConfigurationError, match=r"WARMLINE_CORS_ORIGINS: .*https://app\.example\.com"):
        Settings.from_env({"WARMLINE_CORS_ORIGINS": raw})


def test_all_origins_need_keys():
    """Else every page on the web could use every tenant."""
    with pytest.raises(ConfigurationError, match="unless WARMLINE_API_KEYS is set"):
        Settings.from_env({"WARMLINE_CORS_ORIGINS": "*"})


def test_a_list_is_split():
    """Blanks and empty entries are ignored; browsers send origins in lower case."""
    assert origins(" https://A.example , ,http://localhost:3000") == (
        "https://a.example",
        "http://localhost:3000",
    )
    assert origins("") == ()

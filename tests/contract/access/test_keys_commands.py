"""The life of an API key on the command line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deployments.access.key_store import KeyStore
from serve_app.cli import app
from serve_app.client.connection import Connection
from serve_app.commands import over_http
from tests.unit.serve_app.fake_services import Api

ROOT_KEY = "acme-root-key-0123456789"
Warmline = Callable[..., Awaitable[Any]]


class InLoop(httpx.AsyncBaseTransport):
    """Answers requests of a command, which has its own event loop, in the loop of the database."""

    def __init__(self, api: Api) -> None:
        self._asgi = httpx.ASGITransport(api.app)
        self._loop = asyncio.get_running_loop()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._asgi.handle_async_request(request)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer, self._loop))


@pytest.fixture
async def warmline(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> Warmline:
    """Runs a command line with `--json`, with the tenant's first key unless `key` is another."""
    desk = KeyStore(store.database, time.time, store.new_record_id)
    transport = InLoop(Api(key_desk=desk, api_keys=f"{ROOT_KEY}=acme"))
    real = over_http.connection

    def connection(url: str | None, key: str | None, tenant: str | None) -> Connection:
        found = real(url, key, tenant)
        return Connection(found.url, found._headers, transport=transport)

    monkeypatch.setattr(over_http, "connection", connection)

    async def run(*arguments: str, key: str = ROOT_KEY, code: int = 0) -> Any:
        environ = {"WARMLINE_KEY": key, "WARMLINE_URL": None}
        command = [*arguments, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=environ)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout or result.stderr)

    return run


async def test_a_key_is_made_listed_rotated_and_revoked(warmline: Warmline) -> None:
    """Its secret is shown when it is made and when it is rotated, and works until it is revoked."""
    made = await warmline("keys", "create", "shop", "--scope", "ask", "--scope", "write", "--days", "30")
    assert made["scopes"] == ["ask", "write"]
    assert made["expires_at"] is not None
    await warmline("tickets", "list", key=made["secret"])
    (listed,) = (await warmline("keys", "list"))["keys"]
    assert (listed["key_id"], "secret" in listed) == (made["key_id"], False)
    rotated = await warmline("keys", "rotate", made["key_id"])
    assert rotated["secret"] != made["secret"]
    await warmline("keys", "revoke", made["key_id"])
    assert (await warmline("keys", "list"))["keys"][0]["revoked_at"] is not None


async def test_a_new_key_can_only_ask_unless_told_otherwise(warmline: Warmline) -> None:
    """What it may not do is refused, with the scope that it lacks."""
    made = await warmline("keys", "create", "shop")
    assert made["scopes"] == ["ask"]
    assert "admin" in (await warmline("audit", key=made["secret"], code=4))["error"]["message"]


async def test_the_audit_has_what_was_done(warmline: Warmline) -> None:
    """Latest first."""
    made = await warmline("keys", "create", "shop")
    await warmline("keys", "revoke", made["key_id"])
    subjects = [entry["subject"] for entry in (await warmline("audit", "--limit", "2"))["entries"]]
    assert made["key_id"] in " ".join(subjects)
    assert len(subjects) == 2

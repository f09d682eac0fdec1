"""Commands run by Typer's runner, over the API on fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from serve_app.cli import app
from serve_app.client.connection import Connection
from serve_app.commands import over_http
from tests.unit.serve_app.fake_services import Api

Warmline = Callable[..., Result]


@pytest.fixture
def api() -> Api:
    """An open API, whose knowledge base is a dict."""
    return Api()


@pytest.fixture
def warmline(api: Api, monkeypatch: pytest.MonkeyPatch) -> Warmline:
    """Runs a command line, in an environment without settings. Asserts the exit code (`code=`)."""
    real = over_http.connection

    def over_fakes(url: str | None, key: str | None, tenant: str | None) -> Connection:
        found = real(url, key, tenant)
        return Connection(found.url, found._headers, transport=httpx.ASGITransport(api.app))

    monkeypatch.setattr(over_http, "connection", over_fakes)
    for name in ("WARMLINE_URL", "WARMLINE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(app, arguments, **options)
        assert result.exit_code == code, result.output
        return result

    return run


def scope(collection: str, tenant: str = "default") -> Scope:
    """A collection of a tenant."""
    return Scope(TenantId(tenant), CollectionName(collection))


def documents(api: Api, collection: str = "support_kb") -> dict[DocId, str]:
    """The texts of a collection, by id."""
    return {
        doc_id: one.content
        for (where, doc_id), one in api.library.documents.items()
        if where == scope(collection)
    }


def shown(result: Result) -> Any:
    """What a command showed with `--json`."""
    return json.loads(result.stdout)

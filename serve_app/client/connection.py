"""How a call reaches the running application."""

from __future__ import annotations

import json as json_format
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from deployments.core.errors import DeadlineExceeded, Unavailable
from deployments.core.ids import TenantId
from serve_app.auth import TENANT_HEADER
from serve_app.client.responses import result_of
from serve_app.settings import Settings, variable

_TIMEOUT = httpx.Timeout(None, connect=5.0, read=600.0, write=60.0)
"""Seconds. The application has a deadline of its own, which comes first unless it was set higher."""
_NO_IDLE_CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""So that a client that nobody closes leaves nothing open, and may be used in another event loop."""


class Transport(Protocol):
    """Calls of the HTTP API, however they get there."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the response. The body is `json` or `content`; parameters that are None are left out.

        Raises the WarmlineError that the response tells of; Unavailable when nothing answers.
        """

    async def aclose(self) -> None:
        """Lets go of what is held open; a later call opens it anew."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it travels. `params` are names and values, a name repeated for each value of a list."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        *,
        json: Any,
        params: Mapping[str, Any] | None,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> Call:
        """From a transport's arguments."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        pairs = tuple(httpx.QueryParams(given).multi_items())
        if json is None:
            return cls(method, path, pairs, headers, content or b"")
        typed = {"content-type": "application/json", **headers}
        return cls(method, path, pairs, typed, json_format.dumps(json, allow_nan=False).encode())


class HttpTransport:
    """A `Transport` over HTTP. `through` is where requests go in tests."""

    def __init__(
        self, url: str | None, headers: Mapping[str, str], through: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url or default_url(os.environ)
        self._headers = dict(headers)
        # The proxy that the environment names does not lead to the own machine.
        self._trust_env = url is not None
        self._through = through
        self._client: httpx.AsyncClient | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """See `Transport`. Raises DeadlineExceeded when the response does not come in time."""
        merged = {**self._headers, **(headers or {})}
        call = Call.of(method, path, json=json, params=params, content=content, headers=merged)
        try:
            response = await self._opened().request(
                call.method, call.path, params=call.params, headers=call.headers, content=call.body
            )
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise DeadlineExceeded(f"{self._url} did not answer in time") from error
        except httpx.TransportError as error:
            raise Unavailable(f"no Warmline can be reached at {self._url}: {_said(error)}") from error
        content_type = response.headers.get("content-type", "")
        return result_of(response.status_code, content_type, response.content, self._url)

    async def aclose(self) -> None:
        """See `Transport`."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._url,
                timeout=_TIMEOUT,
                limits=_NO_IDLE_CONNECTIONS,
                trust_env=self._trust_env,
                transport=self._through,
            )
        return self._client


def connect(tenant: TenantId, url: str | None, api_key: str | None) -> Transport:
    """The transport of a tenant's calls: to `url`, else over a handle inside Ray, else to the own machine."""
    headers: dict[str, str] = {TENANT_HEADER: tenant}
    if api_key is not None:
        headers["authorization"] = f"Bearer {api_key}"
    if url is None and _inside_ray():
        from serve_app.handles.client import HandleTransport

        return HandleTransport(headers)
    return HttpTransport(url, headers)


def default_url(environ: Mapping[str, str]) -> str:
    """Where an application with these settings listens."""
    host, port = (
        environ.get(variable(field)) or str(Settings.model_fields[field].default)
        for field in ("http_host", "http_port")
    )
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _inside_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__

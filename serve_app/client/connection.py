"""A client's HTTP requests to the running application."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from deployments.core.errors import DeadlineExceeded, InvalidRequest, Unavailable
from deployments.core.ids import TenantId
from serve_app.auth import TENANT_HEADER
from serve_app.client.responses import error_of, result_of, results_of
from serve_app.settings import Settings, variable
from serve_app.tracing import spans

_TIMEOUT = httpx.Timeout(None, connect=5.0, read=600.0, write=60.0)
"""Seconds. The application's own deadline is shorter, unless it was configured to be longer."""
_NO_IDLE_CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""A client that is never closed leaves no connection open, and works in another event loop."""
_JSON = {"content-type": "application/json"}
_LAST_EVENT = "[DONE]"

_UNTOLD = "application/octet-stream"
"""The media type of a file whose contents or name tell its type."""


class Connection:
    """Sends requests through one `httpx.AsyncClient`, which the first request opens.

    Every request returns the JSON of its response. It raises the WarmlineError that the response tells of,
    Unavailable when nothing answers, and DeadlineExceeded when the response takes too long.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        trust_env: bool = True,
    ) -> None:
        """Every request to `url` carries `headers`.

        `transport` replaces httpx's own. With `trust_env`, httpx uses the proxy that the environment names.
        """
        self.url = url
        """The application's address."""
        self._headers = dict(headers)
        self._transport = transport
        self._trust_env = trust_env
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, **params: Any) -> Any:
        """Sends query parameters, without those that are None. A list becomes one parameter for each item."""
        return await self.request("GET", path, params=params)

    async def post(self, path: str, **fields: Any) -> Any:
        """Sends a JSON object, without the fields that are None. Raises: ValueError on NaN and infinity."""
        return await self.request("POST", path, fields=fields)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        media_type: str | None = None,
    ) -> Any:
        """Sends `params` as `get` does, with a body: `fields` as `post` does, or else `content` as it is.

        `media_type` is that of `content`.
        """
        headers = {} if media_type is None else {"content-type": media_type}
        if fields is not None:
            content, headers = _body(fields), _JSON
        with self._translated():
            response = await self._opened().request(
                method, path, params=_given(params or {}), headers=headers, content=content
            )
        return result_of(response, self.url)

    async def events(self, path: str, **fields: Any) -> AsyncGenerator[Any, None]:
        """Sends what `post` sends, and yields the JSON of each event that the response streams.

        An event that tells of an error is raised as that error.
        """
        with self._translated():
            async with self._opened().stream("POST", path, content=_body(fields), headers=_JSON) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    await response.aread()
                    result_of(response, self.url)
                    raise Unavailable(f"{self.url} answered without a stream; is it Warmline?")
                async for line in response.aiter_lines():
                    name, _, data = line.partition(": ")
                    if name == "data" and data != _LAST_EVENT:
                        event = json.loads(data)
                        if (error := error_of(event)) is not None:
                            raise error
                        yield event

    async def response(self, path: str) -> httpx.Response:
        """The response to a GET, whatever its status."""
        with self._translated():
            return await self._opened().get(path)

    async def post_files(self, path: str, files: Mapping[str, bytes]) -> list[Any]:
        """Sends files by name, as a form. Returns the JSON of each line of the response."""
        parts = [("file", (name, content, _UNTOLD)) for name, content in files.items()]
        with self._translated():
            response = await self._opened().request("POST", path, files=parts)
        return results_of(response, self.url)

    async def aclose(self) -> None:
        """Closes the client; the next request opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise DeadlineExceeded(f"{self.url} did not answer in time") from error
        except httpx.InvalidURL as error:
            raise InvalidRequest(f"{self.url} is not an address: {error}") from error
        except httpx.TransportError as error:
            cause = str(error) or type(error).__name__
            raise Unavailable(f"no Warmline can be reached at {self.url}: {cause}") from error

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self.url,
                headers=self._headers,
                timeout=_TIMEOUT,
                limits=_NO_IDLE_CONNECTIONS,
                trust_env=self._trust_env,
                transport=self._transport,
                event_hooks={"request": [_add_trace]},
            )
        return self._client


def connect(tenant: TenantId, url: str | None, api_key: str | None) -> Connection:
    """The connection of a tenant's client.

    It leads to `url`. Without one, it goes over a Serve handle inside Ray, and to this machine elsewhere.
    """
    headers: dict[str, str] = {TENANT_HEADER: tenant}
    if api_key is not None:
        headers["authorization"] = f"Bearer {api_key}"
    if url is None and _inside_ray():
        from serve_app.client.ray_transport import RayTransport

        return Connection("http://ingress", headers, transport=RayTransport())
    # A proxy that the environment names does not lead to this machine.
    return Connection(url or default_url(os.environ), headers, trust_env=url is not None)


def default_url(environ: Mapping[str, str]) -> str:
    """Where an application on this machine listens, by the settings in `environ`."""
    host, port = (
        environ.get(variable(field)) or str(Settings.model_fields[field].default)
        for field in ("http_host", "http_port")
    )
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _add_trace(request: httpx.Request) -> None:
    """Makes the request a part of the trace that the caller's task works in, if any."""
    request.headers.update(spans.headers())


def _inside_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _body(fields: Mapping[str, Any]) -> bytes:
    # Not httpx's `json`: it fails on a lone surrogate, for which the application names the field.
    return json.dumps(_given(fields), allow_nan=False).encode()


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

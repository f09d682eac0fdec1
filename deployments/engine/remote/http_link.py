"""HTTP with one vLLM server: a pool of connections, bounded bodies. The only file here that knows httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx

CONNECT_WITHIN_S = 3.0
CALL_WITHIN_S = 5.0
"""Time for a call that generates nothing."""
IDLE_S = 3.0
"""How long an idle connection is kept. vLLM closes its end after 5 s, and must not do so just when the next
prompt is sent."""
MAX_BODY_BYTES = 8 * 2**20
"""Limit of a response that is no stream. vLLM's metrics take some 100 KB."""
MAX_EVENT_BYTES = 16 * 2**20
"""Limit of one event of a stream. The first one repeats the prompt's ids, each in up to 8 bytes."""
_SHOWN_BYTES = 1000
"""How much of a refusal is read."""
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
"""A compressed body could be far larger than what arrives."""


class ServerFault(Exception):
    """The server did not answer, or answered with another status than 200, also within a stream."""

    def __init__(self, status: int | None, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        """None if it did not answer, or sent what is no answer."""
        self.detail = detail
        """For logs and operators: it may repeat what was sent."""

    def __str__(self) -> str:
        return self.detail if self.status is None else f"status {self.status}: {self.detail}"


class HttpLink:
    """A server's address, and connections to it. Belongs to one event loop."""

    def __init__(self, url: str, api_key: str | None, connections: int) -> None:
        """`connections` is how many calls run at a time; further ones wait."""
        self.url = url
        key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=_HEADERS | key,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=CONNECT_WITHIN_S),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=IDLE_S),
        )

    async def close(self) -> None:
        """Closes the connections, and so ends the calls that run."""
        await self._http.aclose()

    async def call(self, path: str, body: bytes | None = None) -> bytes:
        """The body of a response: to a POST of `body`, or to a GET. Raises ServerFault."""
        try:
            async with asyncio.timeout(CALL_WITHIN_S):
                return b"".join([part async for part in self._parts(path, body, MAX_BODY_BYTES)])
        except TimeoutError:
            raise ServerFault(None, f"{path}: no answer within {CALL_WITHIN_S:g} s") from None

    async def events(self, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event that follows a POST, without a limit in time.

        Closing the iterator closes the connection, on which vLLM aborts the generation. Raises ServerFault.
        """
        line = b""
        async with aclosing(self._parts(path, body, None)) as parts:
            async for part in parts:
                *lines, line = (line + part).split(b"\n")
                for complete in lines:
                    if complete.startswith(b"data:"):
                        yield complete[5:].strip()
                if len(line) > MAX_EVENT_BYTES:
                    raise ServerFault(None, f"{path}: an event of more than {MAX_EVENT_BYTES} bytes")

    async def _parts(self, path: str, body: bytes | None, limit: int | None) -> AsyncGenerator[bytes, None]:
        """The parts of a response's body as they arrive, of at most `limit` bytes together."""
        method = "GET" if body is None else "POST"
        try:
            async with self._http.stream(method, path, content=body) as response:
                if response.status_code != httpx.codes.OK:
                    detail = await _beginning(response.aiter_raw(), _SHOWN_BYTES)
                    raise ServerFault(response.status_code, detail.decode(errors="replace"))
                size = 0
                async for part in response.aiter_raw():
                    size += len(part)
                    if limit is not None and size > limit:
                        raise ServerFault(None, f"{path}: a response of more than {limit} bytes")
                    yield part
        except httpx.HTTPError as error:
            raise ServerFault(None, f"{path}: {type(error).__name__} {error}") from error


async def _beginning(parts: AsyncIterator[bytes], limit: int) -> bytes:
    read = b""
    async for part in parts:
        read += part
        if len(read) >= limit:
            break
    return read[:limit]

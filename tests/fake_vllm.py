"""A server that answers as vLLM's does, and fails where a real one can't be made to.

It speaks HTTP by itself, so that it can also break off in the middle of a response.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

BLOCK = 4


class BrokenOff(Exception):
    """Ends a response in its middle."""


@dataclass
class FakeVllm:
    """One server. Its tokenizer has an id for each character: the code point. It answers "ok " again and
    again, and finds whole blocks of earlier prompts with the same salt.
    """

    model: str = "fake"
    max_model_len: int | None = 4096
    api_key: str | None = None
    cache_config: dict[str, str] = field(
        default_factory=lambda: {
            "block_size": str(BLOCK),
            "num_gpu_blocks": "100",
            "enable_prefix_caching": "True",
            "prefix_caching_hash_algo": "sha256",
        }
    )
    engines: int = 1
    started_at_s: float | None = 1000.0
    tokenize: Callable[[str], list[int]] = lambda text: list(map(ord, text))
    heeds_salt: bool = True
    finds_prompts: bool = True
    status: int = 200
    """Of completions."""
    healthy: bool = True
    first_byte_after_s: float = 0.0
    break_off_after: int | None = None
    """Events of a completion after which the connection is cut."""
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda event: event
    """Applied to each event of a completion."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the completions."""
    hung_up: int = 0
    """Completions whose clients left before the end."""
    port: int = 0
    _held: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, at the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends all connections."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._clients):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while await self._answered(reader, writer):
                pass
        except (BrokenOff, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = first.split(" ")[1]
        known = self.api_key is None or headers.get("authorization") == f"Bearer {self.api_key}"
        if path.startswith("/v1") and not known:
            await self._send(writer, 401, b'{"error": "Unauthorized"}')
        elif path == "/v1/completions" and self.status == 200:
            await self._complete(json.loads(body), writer)
        elif path == "/v1/completions":
            await self._send(writer, self.status, b'{"error": {"message": "as told", "code": 1}}')
        elif (answer := self._of(path, body)) is None:
            await self._send(writer, 404, b'{"detail": "Not Found"}')
        else:
            await self._send(writer, 200 if self.healthy or path != "/health" else 503, answer)
        return True

    def _of(self, path: str, body: bytes) -> bytes | None:
        if path == "/health":
            return b""
        if path == "/metrics":
            return self._metrics().encode()
        if path == "/v1/models":
            card = {"id": self.model, "root": f"/models/{self.model}", "max_model_len": self.max_model_len}
            return json.dumps({"object": "list", "data": [card]}).encode()
        if path == "/tokenize":
            return json.dumps({"tokens": self.tokenize(json.loads(body)["prompt"])}).encode()
        return None

    def _metrics(self) -> str:
        lines = ["# TYPE vllm:num_requests_running gauge", 'vllm:num_requests_running{engine="0"} 2.0']
        for engine in range(self.engines if self.cache_config else 0):
            labels = ",".join(f'{k}="{v}"' for k, v in (self.cache_config | {"engine": str(engine)}).items())
            lines.append(f"vllm:cache_config_info{{{labels}}} 1.0")
        if self.started_at_s is not None:
            lines.append(f"process_start_time_seconds {self.started_at_s}")
        return "\n".join(lines) + "\n"

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    async def _complete(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        await asyncio.sleep(self.first_byte_after_s)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, event in enumerate(self._events(request)):
            if number == self.break_off_after:
                raise BrokenOff
            await self._chunk(writer, f"data: {json.dumps(self.change(event))}\n\n".encode())
        await self._chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    async def _chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        try:
            await writer.drain()
            await asyncio.sleep(0.001)
        finally:
            self.hung_up += writer.is_closing()
        if writer.is_closing():
            raise BrokenOff

    def _events(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        prompt, last = request["prompt"], request["max_tokens"] - 1
        cached = self._found(prompt, request["cache_salt"] if self.heeds_salt else "")
        for number in range(last + 1):
            text = "ok "[number % 3]
            choice = {"index": 0, "text": text, "token_ids": [ord(text)]}
            choice |= {"prompt_token_ids": prompt} if number == 0 else {}
            choice |= {"finish_reason": "length"} if number == last else {}
            yield {"choices": [choice]}
        details = {"cached_tokens": cached}
        yield {"choices": [], "usage": {"prompt_tokens": len(prompt), "prompt_tokens_details": details}}

    def _found(self, prompt: list[int], salt: str) -> int:
        block = int(self.cache_config.get("block_size", BLOCK))
        beginnings = [(salt, tuple(prompt[:end])) for end in range(block, len(prompt), block)]
        found = sum(one in self._held for one in beginnings)
        self._held.update(beginnings if self.finds_prompts else ())
        return found * block


@asynccontextmanager
async def serving(server: FakeVllm) -> AsyncIterator[FakeVllm]:
    """Runs a server inside the context."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()

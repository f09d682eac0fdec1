"""Reads a streamed answer over HTTP and times it: this application's, or any OpenAI-compatible server's."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession


class StreamFailed(Exception):
    """The status was not 200, or the stream contained an error (then `status` is 200)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer. Times are in milliseconds since the request was sent; `events` are without `[DONE]`."""

    ttft_ms: float
    total_ms: float
    pieces: int
    events: tuple[Mapping[str, Any], ...]

    @property
    def ledger(self) -> Mapping[str, Any]:
        """This application's last event. Raises StopIteration for the answer of another server."""
        return next(event for event in reversed(self.events) if "timings_ms" in event)


async def streamed(
    session: ClientSession, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Streamed:
    """Posts `body` and reads the answer to its end. Raises StreamFailed."""
    started_s = time.perf_counter()
    first_s, pieces, events = 0.0, 0, list[Mapping[str, Any]]()
    async with session.post(url, json=body, headers=headers) as response:
        if response.status != 200:
            raise StreamFailed(response.status, await response.text())
        async for line in response.content:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            now_s = time.perf_counter()
            event = json.loads(line[6:])
            if "error" in event:
                raise StreamFailed(200, str(event["error"]))
            events.append(event)
            if piece(event):
                first_s = first_s or now_s
                pieces += 1
    ended_s = time.perf_counter()
    return Streamed(
        ((first_s or ended_s) - started_s) * 1000, (ended_s - started_s) * 1000, pieces, tuple(events)
    )


def piece(event: Mapping[str, Any]) -> str:
    """The text in an event of this application, of a completion or of a chat; "" if there is none."""
    if isinstance(text := event.get("text"), str):
        return text
    for choice in event.get("choices") or ():
        if text := choice.get("text") or (choice.get("delta") or {}).get("content"):
            return str(text)
    return ""

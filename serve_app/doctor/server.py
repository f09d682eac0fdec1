"""Checks of the running application: whether it answers, is ready, takes the key, and has the right time."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

from deployments.core.errors import Forbidden, Unauthorized, WarmlineError
from serve_app.client.connection import Connection
from serve_app.doctor.finding import Check, Finding, State, checked, fail, ok, warn

_REACH_TIMEOUT_S = 5.0
_MAX_SKEW_S = 5.0
"""Deadlines of requests and expiry times are compared on different machines."""
_QUESTION = "What can you help me with?"
_ANSWER_TOKENS = 16


async def findings(server: Connection, ask: bool) -> list[Finding]:
    """What is found of the application at the other end of a connection; with `ask`, of an answer too.

    If it can't be reached, that is all.
    """
    found = await checked([("server", lambda: reachable(server))])
    if found[0].state is State.FAIL:
        return found
    further: list[tuple[str, Check]] = [
        ("parts", lambda: ready(server)),
        ("key", lambda: key(server)),
        ("clock", lambda: clock(server)),
    ]
    if ask:
        further.append(("answer", lambda: answer(server)))
    return [*found, *await checked(further)]


async def reachable(server: Connection) -> Finding:
    """Whether Warmline answers at the address."""
    mend = "start it with warmline serve, or name another by WARMLINE_URL"
    try:
        async with asyncio.timeout(_REACH_TIMEOUT_S):
            status = await server.get("/healthz")
    except TimeoutError:
        return fail("server", f"{server.url} does not answer within {_REACH_TIMEOUT_S:g} s", mend)
    except WarmlineError as error:
        return fail("server", str(error), mend)
    if status != {"status": "ok"}:
        return fail("server", f"what answers at {server.url} is not Warmline", mend)
    return ok("server", f"Warmline answers at {server.url}")


async def ready(server: Connection) -> Finding:
    """Whether engine and knowledge base are ready."""
    parts: dict[str, str] = (await server.response("/readyz")).json()["parts"]
    missing = [f"{name}: {state}" for name, state in parts.items() if state != "ready"]
    if missing:
        return fail(
            "parts", "; ".join(missing), "wait for the start; if it lasts, look into the server's log"
        )
    return ok("parts", f"{', '.join(parts)} are ready")


async def key(server: Connection) -> Finding:
    """Whether the application takes the API key, or needs none."""
    try:
        await server.get("/v1/models")
    except (Unauthorized, Forbidden) as error:
        return fail("key", str(error), "set WARMLINE_KEY to a valid key; warmline keys create makes one")
    return ok("key", "accepted, or none is needed")


async def clock(server: Connection) -> Finding:
    """Whether the application's clock agrees with this machine's."""
    date = (await server.response("/healthz")).headers.get("date")
    if date is None:
        return warn("clock", "the server does not tell its time", "look at its clock yourself")
    skew_s = parsedate_to_datetime(date).timestamp() - time.time()
    if abs(skew_s) <= _MAX_SKEW_S:
        return ok("clock", f"within {_MAX_SKEW_S:g} s of this machine's")
    found = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'after'} this machine's"
    return warn("clock", found, "set both clocks by NTP: deadlines and expiry times depend on them")


async def answer(server: Connection) -> Finding:
    """Whether the support agent answers a question."""
    asked_s = time.monotonic()
    try:
        completion = await server.post(
            "/v1/chat/completions",
            model="support",
            messages=[{"role": "user", "content": _QUESTION}],
            max_completion_tokens=_ANSWER_TOKENS,
        )
    except WarmlineError as error:
        return fail("answer", str(error), "look into the server's log")
    took = f"{time.monotonic() - asked_s:.1f} s"
    kind = completion["warmline"]["reuse"]["answer"].replace("_", " ")
    return ok("answer", f"{completion['usage']['completion_tokens']} tokens in {took} ({kind})")

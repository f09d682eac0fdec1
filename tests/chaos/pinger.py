"""Callers of the application: questions, streams, conversations, tickets and changes of documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession

from tests.bench.harness.streams import StreamFailed, streamed
from tests.chaos.auditor import Auditor
from tests.chaos.rooms import ROOMS, TENANTS, Edition

RETRY_S = 0.5
_BODY: Mapping[str, Any] = {"max_tokens": 6, "temperature": 0, "return_token_ids": True}


class Refused(Exception):
    """A response with an error's status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Pinger:
    """Calls until `done`. `kept` are the paths of what was stored, by tenant: they must stay readable."""

    def __init__(self, session: ClientSession, auditor: Auditor) -> None:
        self.done = False
        self.kept: list[tuple[str, str]] = []
        self._session = session
        self._auditor = auditor
        self.written = auditor.written

    async def write(self, tenant: str, rng: Random, pause_s: float) -> None:
        """Changes the documents of a tenant, one after another. Repeats each change until it succeeds."""
        while not self.done:
            edition = self.written.next_edition(tenant, rng.randrange(ROOMS))
            stored = False
            while not (stored or self.done):
                stored = await self.store(edition)
            await asyncio.sleep(pause_s * rng.random())

    async def store(self, edition: Edition) -> bool:
        """Stores an edition; returns whether that was acknowledged."""
        path = f"/v1/collections/support_kb/documents/{edition.doc_id}"
        body = {"title": edition.title, "content": edition.body}
        stored = await self._call("PUT", path, "change", edition.tenant, body)
        if stored is None:
            return False
        self.written.acknowledge(edition, stored["version"])
        return True

    async def ask(self, rng: Random) -> None:
        """Asks in every way."""
        ways = (self._answer, self._stream, self._tokens, self._tokens, self._conversation, self._ticket)
        while not self.done:
            tenant, room = rng.choice(TENANTS), rng.randrange(ROOMS)
            query = f"What is the code word of room {room}?"
            await rng.choice(ways)(tenant, query)
            await asyncio.sleep(0.2 * rng.random())

    async def verify(self) -> None:
        """Checks that everything that was acknowledged is stored, when all is calm again."""
        for tenant, path in self.kept:
            if await self._call("GET", path, "verify", tenant) is None:
                self._auditor.violated(f"lost {path} of {tenant}")
        for edition, version in self.written.versions.items():
            if edition.number != self.written.sent[edition.tenant, edition.room]:
                continue
            path = f"/v1/collections/support_kb/documents/{edition.doc_id}"
            found = await self._call("GET", path, "verify", edition.tenant) or {}
            if (found.get("content", "").strip(), found.get("version")) != (edition.body, version):
                self._auditor.violated(f"lost {edition}: {found}")

    async def _answer(self, tenant: str, query: str) -> None:
        least = self.written.least(tenant)
        found = await self._call("POST", "/v1/support/answer", "answer", tenant, {"query": query, **_BODY})
        if found is not None:
            await self._auditor.prompt(tenant, query, least, found["prompt_token_ids"], alone=True)

    async def _stream(self, tenant: str, query: str) -> None:
        least = self.written.least(tenant)
        body = {"query": query, "stream": True, **_BODY}
        try:
            seen = await streamed(self._session, "/v1/support/answer", body, {"x-business-id": tenant})
        except (StreamFailed, ClientError, TimeoutError) as error:
            self._auditor.ended("stream", _name(error))
            await asyncio.sleep(RETRY_S)
            return
        self._auditor.ended("stream", "200")
        await self._auditor.prompt(tenant, query, least, seen.ledger["prompt_token_ids"], alone=True)

    async def _tokens(self, tenant: str, query: str) -> None:
        least = self.written.least(tenant)
        body = {"agent": "support", "query": query}
        found = await self._call("POST", "/v1/cache/tokens", "tokens", tenant, body)
        if found is not None:
            await self._auditor.prompt(tenant, query, least, found["token_ids"], alone=True)

    async def _conversation(self, tenant: str, query: str) -> None:
        begun = await self._call("POST", "/v1/conversations", "conversation", tenant, {})
        if begun is None:
            return
        for asked in (query, "And what is the one of the next room?"):
            least = self.written.least(tenant)
            body = {"query": asked, "conversation_id": begun["id"], **_BODY}
            found = await self._call("POST", "/v1/support/answer", "turn", tenant, body)
            if found is None:
                return
            await self._auditor.prompt(tenant, asked, least, found["prompt_token_ids"], alone=False)
            self.kept.append((tenant, f"/v1/responses/{found['conversation']['turn_id']}"))

    async def _ticket(self, tenant: str, query: str) -> None:
        body = {"user_id": "ann", "issue_description": query, "priority": "low"}
        made = await self._call("POST", "/v1/support/tickets", "ticket", tenant, body)
        if made is not None:
            self.kept.append((tenant, f"/v1/support/tickets/{made['ticket_id']}"))

    async def _call(
        self, method: str, path: str, kind: str, tenant: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """The response's body; None after an error, which is counted."""
        headers = {"x-business-id": tenant}
        try:
            async with self._session.request(method, path, json=body, headers=headers) as response:
                if response.status >= 400:
                    raise Refused(response.status)
                found: dict[str, Any] = await response.json()
        except (Refused, ClientError, TimeoutError) as error:
            self._auditor.ended(kind, _name(error))
            await asyncio.sleep(RETRY_S)
            return None
        self._auditor.ended(kind, "200")
        return found


def _name(error: Exception) -> str:
    return str(error.status) if isinstance(error, StreamFailed | Refused) else type(error).__name__

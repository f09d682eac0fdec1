"""Checks each response against what was written, and each prompt against the one without caches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from deployments.agents.asking import question_of
from deployments.agents.specs import SUPPORT
from deployments.core.ids import RequestId, TenantId
from deployments.core.messages import Ask, ChatScaffold
from deployments.core.ports import TextEncoder
from deployments.core.token_ids import to_bytes, token_ids
from tests.chaos.rooms import Edition, Written, editions_in
from tests.uncached_rag import uncached_rag

_SIMILARITIES = (None, 0.0)
"""A prompt has one of two endings, which depends on whether its documents are similar to the question."""


class Auditor:
    """Counts requests by kind and outcome. `violations` lists broken promises, `written` what was stored."""

    def __init__(self, encoder: TextEncoder, scaffold: ChatScaffold) -> None:
        """Both are those of the application."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.violations: list[str] = []
        self._encoder = encoder
        self._uncached = uncached_rag(SUPPORT, encoder, scaffold)
        self.written = Written()

    def ended(self, kind: str, outcome: str) -> None:
        """A request of this kind has ended: "200", another status, or the name of an error."""
        self.outcomes[kind, outcome] += 1

    def violated(self, what: str) -> None:
        """Records a broken promise."""
        self.violations.append(what)
        print(f"VIOLATION: {what}", flush=True)

    async def prompt(
        self, tenant: str, query: str, least: Mapping[int, int], ids: Sequence[int], *, alone: bool
    ) -> None:
        """Checks the ids of a prompt for a question that was sent when `least` was acknowledged.

        `alone`: the question belongs to no conversation, so that the whole prompt is known.
        """
        found = list(editions_in(self._encoder.decode(token_ids(ids))))
        rooms = {edition.room for edition in found}
        for edition in found:
            newest = self.written.sent[edition.tenant, edition.room]
            if edition.tenant != tenant:
                self.violated(f"{tenant} got a document of {edition.tenant}")
            elif not least[edition.room] <= edition.number <= newest:
                self.violated(
                    f"{edition} in a prompt: {least[edition.room]} was acknowledged before it was asked for"
                )
        asked = {room for room in least if f"room {room}?" in query and least[room]}
        if not asked <= rooms:
            self.violated(f"{tenant} asked {query!r} and got rooms {rooms}")
        if alone and found and not await self._is_exact(tenant, query, found, ids):
            self.violated(f"the ids of a prompt of {tenant} differ from those without caches: {query!r}")

    async def _is_exact(self, tenant: str, query: str, found: list[Edition], ids: Sequence[int]) -> bool:
        question = question_of(SUPPORT, Ask(TenantId(tenant), query, RequestId("audit")))
        prompts = [
            await self._uncached.retrieve_tokens(
                replace(question, passages=tuple(edition.passage(similarity) for edition in found))
            )
            for similarity in _SIMILARITIES
        ]
        return to_bytes(token_ids(ids)) in {prompt.ids for prompt in prompts}

    def report(self) -> list[dict[str, Any]]:
        """A row for each kind of request."""
        kinds = sorted({kind for kind, _ in self.outcomes})
        return [
            {"requests": kind, **{out: n for (of, out), n in sorted(self.outcomes.items()) if of == kind}}
            for kind in kinds
        ]

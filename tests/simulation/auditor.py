"""Checks every answer of a simulation against what was committed and acknowledged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from deployments.core.ids import DocId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import GenerateRequest, Question
from tests.fakes import SCAFFOLD
from tests.simulation.agents import SPEC, Encoder
from tests.simulation.contents import Contents, Edition, about
from tests.simulation.engines import answer_to
from tests.simulation.knowledge import edition_in
from tests.uncached_rag import uncached_rag


class Violation(Exception):
    """A promise is broken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was sent."""

    question: Question
    least: int
    """The generation that the answer must not be older than."""
    retired: frozenset[str]
    """Salts that the prompt must not have any more."""


class Auditor:
    """Knows what callers were told. `violations` lists the promises that were broken."""

    def __init__(self, contents: Contents, clock: Callable[[], float]) -> None:
        self.violations: list[str] = []
        self.answers: Counter[str] = Counter()
        """Answers, and failed calls by their error."""
        self._contents = contents
        self._uncached = uncached_rag(SPEC, Encoder(), SCAFFOLD, clock)
        self._acknowledged: defaultdict[Scope, int] = defaultdict(int)
        self._running: dict[str, Asked] = {}
        self._salts: dict[str, TenantId] = {}
        self._retired: defaultdict[TenantId, frozenset[str]] = defaultdict(frozenset)

    def violated(self, what: str) -> None:
        """Records a broken promise."""
        self.violations.append(what)

    def sent(self, question: Question) -> Asked:
        """A question is sent now."""
        scope = question.scope
        asked = Asked(question, self._acknowledged[scope], self._retired[scope.tenant])
        self._running[question.request_id] = asked
        return asked

    def ended(self, asked: Asked, outcome: str) -> None:
        """A question has ended, with an answer or not."""
        self.answers[outcome] += 1
        self._running.pop(asked.question.request_id, None)

    def changed(self, edition: Edition, generation: int, *, deleted: bool) -> None:
        """A change was acknowledged: the collection has it since `generation`."""
        found = self._contents.of(edition.scope)
        stored = found.at.get(generation, {}).get(edition.doc_id)
        if generation > found.generation or stored != (None if deleted else edition):
            self.violated(f"lost an acknowledged change of {edition.scope} {edition.doc_id}")
        self._acknowledged[edition.scope] = max(self._acknowledged[edition.scope], generation)

    def salts_of(self, tenant: TenantId) -> frozenset[str]:
        """The salts that the tenant's prompts have had."""
        return frozenset(salt for salt, owner in self._salts.items() if owner == tenant)

    def retired(self, tenant: TenantId, salts: frozenset[str]) -> None:
        """An erasure was acknowledged: later prompts must have none of these salts."""
        self._retired[tenant] |= salts

    def engine_got(self, request: GenerateRequest) -> None:
        """A prompt has reached an engine."""
        asked = self._running.get(request.request_id.split("-")[0])
        if asked is None:
            return  # its caller has left
        tenant = asked.question.scope.tenant
        if self._salts.setdefault(request.cache_salt, tenant) != tenant:
            self.violated(f"{tenant} shares KV blocks with {self._salts[request.cache_salt]}")
        if request.cache_salt in asked.retired:
            self.violated(f"a prompt of {tenant} can reach KV blocks from before an erasure")

    async def answered(self, asked: Asked, answer: Answer) -> None:
        """Checks an answer: its documents, its ids and its text."""
        shown = {DocId(one.doc_id): edition_in(one.snippet) for one in answer.citations}
        found = self._snapshot(asked, shown)
        if found is None:
            self.violated(
                f"{asked.question.scope}: {shown} is older than {asked.least}, or was never committed"
            )
            return
        if not found:
            if answer.prompt_ids:
                self.violated("a prompt without documents")
            return
        editions = {one.doc_id: one for one in found}
        ordered = tuple(editions[DocId(one.doc_id)].passage() for one in answer.reuse.passages)
        expected = await self._uncached.retrieve_tokens(replace(asked.question, passages=ordered))
        if expected.ids != answer.prompt_ids:
            self.violated(f"the ids of a prompt of {asked.question.scope} differ from those without caches")
        if answer.text != answer_to(answer.prompt_ids):
            self.violated(f"{asked.question.scope} got the answer to another prompt")

    def _snapshot(self, asked: Asked, shown: dict[DocId, int]) -> list[Edition] | None:
        """The documents of the answer, as one allowed generation had them; None if none had them so."""
        found = self._contents.of(asked.question.scope)
        for generation in range(asked.least, found.generation + 1):
            editions = about(found.at[generation], asked.question.text)[: asked.question.top_k]
            if {one.doc_id: one.number for one in editions} == shown:
                return editions
        return None

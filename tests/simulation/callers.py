"""The callers of a simulated cluster: they ask, change documents, clear caches and erase."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from deployments.core.documents import DocumentDraft, Ingested
from deployments.core.errors import NotFound, WarmlineError
from deployments.core.ids import DocId, RequestId, Scope, TenantId
from deployments.core.messages import Question
from deployments.core.sampling import Sampling
from tests.simulation.contents import COMMON, Edition
from tests.simulation.processes import Process, Remote
from tests.simulation.world import World

TOPICS = ("t1", "t2", "t3")
DOCUMENTS = tuple(DocId(f"{kind}-{topic}") for topic in TOPICS for kind in (COMMON, "own", "own-other"))
DEADLINE_S = 30.0
"""Of a question."""
HANGS_S = 150.0
"""No call takes longer, whatever fails: more than all time limits on its way together."""
_TRIES = 3


class Callers:
    """Calls with dice. `calls` counts them by kind."""

    def __init__(self, world: World) -> None:
        self.calls: Counter[str] = Counter()
        self._world = world
        self._dice = world.dice
        self._auditor = world.auditor
        self._editions: Counter[tuple[Scope, DocId]] = Counter()

    async def ask(
        self, scope: Scope, topic: str, agent: Process | None = None, *, leaves: bool = False
    ) -> bool:
        """Asks an agent, any by default; returns whether it answered. `leaves`: may go before the answer."""
        self.calls["questions"] += 1
        agent = agent or self._dice.choice(self._world.agents)
        question = Question(
            scope,
            topic,
            4,
            Sampling(50, 0.0),
            RequestId(f"q{self.calls['questions']}"),
            DEADLINE_S,
            share_answer=self._dice.random() < 0.3,
        )
        asked = self._auditor.sent(question)
        patience_s = self._dice.random() * 0.3 if leaves and self._dice.random() < 0.2 else HANGS_S
        outcome = "left"
        try:
            async with asyncio.timeout(patience_s):
                answer = await Remote(_alive(agent), self._dice).generate_with_rag(question)
            outcome = answer.reuse.answer
            await self._auditor.answered(asked, answer)
        except WarmlineError as error:
            outcome = type(error).__name__
        except TimeoutError:
            if patience_s == HANGS_S:
                self._auditor.violated(f"a question of {scope} hangs")
        except Exception as error:
            self._auditor.violated(f"a question of {scope} fails by {error!r}")
        finally:
            self._auditor.ended(asked, outcome)
        self._check_segments(agent)
        return outcome not in {"left", "Unavailable"} and not outcome.endswith(("Unavailable", "Exceeded"))

    async def change(self, scope: Scope, doc_id: DocId) -> bool:
        """Writes or deletes a document, with retries; returns whether that was acknowledged."""
        self.calls["changes"] += 1
        deletes = self._dice.random() < 0.15
        self._editions[scope, doc_id] += not deletes
        edition = Edition(scope, doc_id, self._editions[scope, doc_id])
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(HANGS_S):
                    ingested = await self._send(edition, deletes=deletes)
            except NotFound:
                return False
            except WarmlineError:
                continue
            except TimeoutError:
                self._auditor.violated(f"a change of {scope} hangs")
                return False
            self._auditor.changed(edition, ingested.generation, deleted=deletes)
            return True
        return False

    async def erase(self, tenant: TenantId) -> None:
        """Starts a new epoch of the tenant's salt, as every erasure does."""
        self.calls["erasures"] += 1
        salts = self._auditor.salts_of(tenant)
        try:
            async with asyncio.timeout(HANGS_S):
                await self._knowledge().renew_salt(tenant)
        except WarmlineError:
            return
        except TimeoutError:
            self._auditor.violated("an erasure hangs")
        self._auditor.retired(tenant, salts)

    async def clear(self, scope: Scope) -> None:
        """Clears the caches of a tenant's collection."""
        self.calls["clears"] += 1
        clients = [Remote(lambda: self._world.token_cache, self._dice)]
        try:
            await clients[0].clear(scope.tenant, scope.collection)
            for agent in list(self._world.agents):
                await Remote(_alive(agent), self._dice).clear_local(scope)
        except WarmlineError:
            return

    async def _send(self, edition: Edition, *, deletes: bool) -> Ingested:
        knowledge = self._knowledge()
        if deletes:
            deleted: Ingested = await knowledge.delete(edition.scope, edition.doc_id)
            return deleted
        raw = edition.body.encode()
        draft = DocumentDraft(edition.doc_id, edition.title, None, "text/markdown", raw)
        stored: Ingested = await knowledge.put(edition.scope, draft, self._dice.random() < 0.5)
        return stored

    def _knowledge(self) -> Remote:
        return Remote(self._world.any_knowledge, self._dice)

    def _check_segments(self, agent: Process) -> None:
        if strange := agent.service.resolver.strange:
            self._auditor.violated(f"segments of another tenant: {strange}")


def _alive(process: Process) -> Callable[[], Process | None]:
    return lambda: process if process.alive else None

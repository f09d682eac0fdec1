"""An agent of the application in front of modelled engines. Its token ids are the characters of its texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from random import Random
from string import ascii_lowercase

from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.ids import DocId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.reuse.ordering import ORDERS
from deployments.core.sampling import Sampling
from deployments.core.segments import ScaffoldText
from deployments.rag.engine_views import EngineViews
from deployments.rag.placer import Placer
from deployments.rag.prompt import PromptAssembler
from tests.bench.workload.modelled_engines import BLOCK, Replica, Replicas
from tests.fakes import SCAFFOLD
from tests.unit.rag.rig import SCOPE, SPEC, Rig, question

CAPACITY_BLOCKS = 96
"""Of each replica's cache."""
PREAMBLE = "Answer from the articles only. " * 4
BEFORE_QUESTION = [ScaffoldText(SCAFFOLD.to_user)]
"""What all prompts have between documents and question."""
BETWEEN_SURVEYS_S = 3.0
"""Longer than the agent waits for the next survey of the engine's replicas."""


class Found:
    """A `Retriever` that finds the passages it was told to; meanwhile the agent's survey ends."""

    def __init__(self) -> None:
        self.next: tuple[Passage, ...] = ()

    async def search(self, query: SearchQuery) -> Retrieval:
        """The next passages."""
        for _ in range(10):
            await asyncio.sleep(0)
        return Retrieval(self.next, generation=1)


class ModelledAgent:
    """An agent with one or more engine replicas, which all start empty."""

    def __init__(self, rng: Random, *, replicas: Sequence[str] = ("one", "two"), order: str = "trie") -> None:
        self.rng = rng
        self._rig = Rig(spec=replace(SPEC, preamble=PREAMBLE))
        self._found = Found()
        self.replicas = Replicas(replicas, CAPACITY_BLOCKS, self._rig.clock)
        views = EngineViews(self.replicas, self._rig.clock, lambda _: asyncio.sleep(0))
        self._rig.use(
            generator=self.replicas,
            retriever=self._found,
            placer=Placer(ORDERS[order], views, rng),
        )
        self._head_tokens = len(PromptAssembler(self._rig.encoder, SCAFFOLD, PREAMBLE).head)
        self._numbers = count(1)

    def passage(
        self,
        tokens: int | None = None,
        *,
        of: Passage | None = None,
        version: int = 1,
        ordinal: int | None = None,
    ) -> Passage:
        """A passage with a new text of so many tokens, or of 50 to 150.

        It is a new document's, or of the document of `of`, and there the same passage or that with the number
        `ordinal`.
        """
        tokens = self.rng.randint(50, 150) if tokens is None else tokens
        name = DocId(f"doc{next(self._numbers)}") if of is None else of.doc_id
        number = ordinal if ordinal is not None else of.ordinal if of is not None else 0
        one = Passage(name, "", "", None, version, number, "x", 1.0, 0.9)
        body = "".join(self.rng.choices(ascii_lowercase, k=tokens - len(one.segment) + 1))
        return replace(one, body=body)

    async def ask(self, *passages: Passage, tenant: str = "acme", surveyed: bool = True) -> Answer:
        """The answer to a new question with these passages. `surveyed`: the agent's views are up to date."""
        if surveyed:
            self._rig.clock.pass_s(BETWEEN_SURVEYS_S)
        self._found.next = passages
        begin = ascii_lowercase[next(self._numbers) % len(ascii_lowercase)]  # not as the question before
        text = begin + "".join(self.rng.choices(ascii_lowercase, k=30))
        scope = Scope(TenantId(tenant), SCOPE.collection)
        return await self._rig.answer(
            question(text, scope=scope, top_k=len(passages), sampling=Sampling(1, 0))
        )

    @property
    def server(self) -> Replica:
        """The replica that gave the last answer."""
        return self.replicas[self.replicas.served[-1]]

    def beyond_block(self, *passages: Passage) -> int:
        """How many tokens a prompt that begins with these passages has had after its last whole block."""
        return (self._head_tokens + sum(len(one.segment) for one in passages)) % BLOCK

    def shares_block_with_question(self, *passages: Passage) -> bool:
        """Whether the block in which these passages end also has tokens of a question that follows them."""
        return (
            0 < self.beyond_block(*passages) < BLOCK - len(self._rig.encoder.encode_prompt(BEFORE_QUESTION))
        )

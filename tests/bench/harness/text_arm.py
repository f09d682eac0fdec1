"""Answers from text prompts, as an application without Warmline does: retrieve, render, tokenize."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from deployments.agents.specs import AGENTS
from deployments.agents.template_retriever import TemplateRetriever
from deployments.core.documents import Passage, SearchQuery
from deployments.core.ids import DEFAULT_TENANT, Scope
from deployments.core.messages import Ask, Delta, GenerateRequest
from deployments.core.ports import Retriever
from deployments.core.sampling import Sampling
from deployments.core.services import KnowledgeBase, Records
from deployments.core.token_ids import count_in, to_bytes, token_ids
from deployments.rag.ending import is_sure, notes_of
from serve_app.remote import client_of
from tests.bench.harness.observation import Observation, document_prefilled
from tests.bench.harness.testbed import Testbed

SPECS = {spec.name: spec for spec in AGENTS}


class TextArm:
    """Has one cache salt, so the engine reuses prefixes unless `engine` replaces the salts."""

    def __init__(self, name: str, bed: Testbed, engine: Any) -> None:
        self.name = name
        self._bed = bed
        self._engine = engine
        self._salt = secrets.token_hex(32)
        self._knowledge = client_of(KnowledgeBase, bed.knowledge, "the knowledge base")
        records = client_of(Records, bed.knowledge, "the knowledge base")
        self._templates = TemplateRetriever(self._knowledge, records, self._knowledge)

    async def ask(self, agent: str, ask: Ask, passages: tuple[Passage, ...] | None = None) -> Observation:
        """Answers from `passages` if given, else searches as the agent does."""
        started = time.perf_counter()
        if passages is None:
            passages = await self._retrieved(agent, ask)
        ids = tokenized(self._bed.models.llm, rendered(self._bed.models.llm, agent, ask.query, passages))
        request = GenerateRequest(
            ask.request_id,
            to_bytes(token_ids(ids)),
            Sampling(ask.max_tokens or 1, 0.0),
            self._salt,
            ask.deadline_s,
        )
        deltas, times_s = list[Delta](), list[float]()
        async with aclosing(self._engine.generate(request)) as stream:
            async for delta in stream:
                deltas.append(delta)
                times_s.append(time.perf_counter())
        first = next(i for i, delta in enumerate(deltas) if delta.ids)
        return self._observed(
            agent, request, passages, deltas, times_s[first] - started, times_s[-1] - started
        )

    def _observed(
        self,
        agent: str,
        request: GenerateRequest,
        passages: Sequence[Passage],
        deltas: Sequence[Delta],
        ttft_s: float,
        total_s: float,
    ) -> Observation:
        documents = sum(len(self._bed.encoder.encode_text(passage.segment)) for passage in passages)
        cached = deltas[0].kv_cached_tokens or 0
        return Observation(
            arm=self.name,
            agent=agent,
            kind="",
            question=0,
            prompt_tokens=count_in(request.prompt),
            cached_tokens=cached,
            document_tokens=documents,
            document_prefilled=document_prefilled(documents, self._bed.head_tokens(agent), cached),
            segments=len(passages),
            segment_hits=0,
            dropped=0,
            answer="generated",
            answer_tokens=sum(count_in(delta.ids) for delta in deltas),
            engine_ms=(deltas[0].queue_ms or 0.0) + (deltas[0].prefill_ms or 0.0),
            ttft_ms=ttft_s * 1000,
            total_ms=total_s * 1000,
            digest=blake2b(request.prompt, digest_size=8).hexdigest(),
        )

    async def _retrieved(self, agent: str, ask: Ask) -> tuple[Passage, ...]:
        retriever: Retriever = self._templates if agent == "business" else self._knowledge
        spec = SPECS[agent]
        scope = Scope(DEFAULT_TENANT, spec.collection)
        query = SearchQuery(scope, ask.query, ask.top_k, ask.section, further=spec.further_passages)
        return (await retriever.search(query)).passages


def messages(agent: str, question: str, passages: Sequence[Passage]) -> list[dict[str, str]]:
    """A chat: the agent's preamble with the documents and what it says after them, then the question."""
    spec = SPECS[agent]
    doubt = "" if is_sure(passages, spec.sure_from) else spec.doubt
    documents = "".join(passage.segment for passage in passages)
    system = spec.preamble.strip() + documents + notes_of("", spec.reminder, doubt)
    return [{"role": "system", "content": system}, {"role": "user", "content": question.strip()}]


def rendered(model: str, agent: str, question: str, passages: Sequence[Passage]) -> str:
    """The whole prompt as the model's chat template writes it, up to where the answer begins."""
    return str(
        _tokenizer(model).apply_chat_template(
            messages(agent, question, passages), tokenize=False, add_generation_prompt=True
        )
    )


def tokenized(model: str, text: str) -> list[int]:
    """The ids of a rendered prompt."""
    return list(_tokenizer(model)(text, add_special_tokens=False)["input_ids"])


@lru_cache(maxsize=1)
def _tokenizer(model: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)

"""Makes the answer and its ledger from a prepared prompt and the engine's deltas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deployments.core.cache_figures import CacheStats
from deployments.core.documents import Passage
from deployments.core.ledger import (
    Answer,
    Citation,
    ConversationUse,
    MissedPassage,
    PromptPassage,
    PromptTokens,
    Reuse,
    timings,
)
from deployments.core.messages import Delta, Question, SegmentSource
from deployments.core.reuse.misses import Found, missed
from deployments.core.token_ids import count_in, to_bytes
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.stopwatch import Stopwatch
from deployments.rag.told_history import id_after

_SNIPPET_CHARS = 240
_ORIGINS = {"flight": "shared", "kept": "reused"}


@dataclass(slots=True)
class Generation:
    """What the engine has sent so far."""

    text: list[str] = field(default_factory=list)
    """The deltas' texts."""
    ids: bytearray = field(default_factory=bytearray)
    """The answer's ids, as little-endian 32-bit bytes."""
    finish_reason: str = "abort"
    """"stop" or "length" once the engine has said so."""
    kv_cached_tokens: int = 0
    """Prompt tokens that the engine found in its prefix cache."""
    origin: str = "generated"
    """As `Reuse.answer`: "generated", "shared" or "reused"."""
    ttft_ms: float | None = None
    """From the request's arrival to the first token; None before that."""
    served_by: str | None = None
    """The engine's replica; None before its first delta."""
    estimated: bool = False
    """Whether that replica lacks events about its cache."""

    def add(self, delta: Delta, watch: Stopwatch) -> None:
        """Adds a delta. Copies the engine's stage times in it to `watch`."""
        if self.ttft_ms is None and delta.ids:
            self.ttft_ms = watch.elapsed_ms
        self.text.append(delta.text)
        self.ids += delta.ids
        self.finish_reason = delta.finish_reason or self.finish_reason
        if delta.kv_cached_tokens is not None:
            self.kv_cached_tokens = delta.kv_cached_tokens
        if delta.residency is not None:
            self.served_by, self.estimated = delta.residency.replica, delta.residency.estimated
        if delta.shared is not None:
            self.origin = _ORIGINS[delta.shared]
        for stage, value_ms in (
            ("queue", delta.queue_ms),
            ("prefill", delta.prefill_ms),
            ("decode", delta.decode_ms),
        ):
            if value_ms is not None:
                watch.stages_ms[stage] = value_ms


def reuse_of(
    prompt: PreparedPrompt,
    order: str,
    generation: Generation,
    missed_passages: tuple[MissedPassage, ...] = (),
) -> Reuse:
    """What a prompt and its answer reused."""
    selection = prompt.selection
    by_source = Counter(selection.all_sources)
    return Reuse(
        segments=len(selection.all_sources),
        l1=by_source[SegmentSource.L1],
        redis=by_source[SegmentSource.REDIS],
        tokenized=by_source[SegmentSource.TOKENIZED],
        prompt_tokens=len(prompt.ids),
        kv_cached_tokens=generation.kv_cached_tokens,
        order=order,
        dropped=selection.dropped,
        answer=generation.origin if prompt.ids else "no_context",
        passages=tuple(
            PromptPassage(selection.added[i].doc_id, len(selection.documents[i]), selection.sources[i].value)
            for i in prompt.placing.order
        ),
        missed=missed_passages,
        estimated=generation.estimated,
    )


def missed_in(prompt: PreparedPrompt, generation: Generation, block_size: int) -> tuple[MissedPassage, ...]:
    """The passages that the engine prefilled. `block_size` is that of the engine's cache, in tokens."""
    if generation.origin != "generated":
        return ()
    selection, placing = prompt.selection, prompt.placing
    found = Found(
        generation.kv_cached_tokens,
        block_size,
        elsewhere=generation.served_by not in (None, *placing.replicas[:1]),
        estimated=generation.estimated or placing.estimated,
    )
    lengths = [len(selection.documents[i]) for i in placing.order]
    return tuple(
        MissedPassage(
            miss.index,
            selection.added[placing.order[miss.index]].doc_id,
            miss.tokens,
            miss.why.cause.value,
            None if miss.why.evicted_ago_s is None else round(miss.why.evicted_ago_s, 3),
        )
        for miss in missed(selection.opening.tokens, lengths, prompt.absences, found)
    )


def conversation_use(question: Question, prompt: PreparedPrompt, text: str) -> ConversationUse | None:
    """What a prompt has of its conversation; None without one. `text` is the answer's."""
    continued, conversed = question.continues, prompt.selection.opening.conversed
    if continued is None or conversed is None:
        return None
    plan, turn_id = conversed.plan, continued.turn_id
    return ConversationUse(
        conversation_id=conversed.talk.conversation_id,
        turn_id=id_after(turn_id, question.text, text) if continued.told else turn_id,
        stored=continued.store,
        turn_tokens=conversed.turn_tokens,
        retold=len(plan.history),
        stale=plan.stale,
        dropped=plan.dropped,
    )


def tokens_of(prompt: PreparedPrompt, order: str) -> PromptTokens:
    """A prompt as callers of `retrieve_tokens` get it."""
    selection = prompt.selection
    return PromptTokens(
        ids=to_bytes(prompt.ids),
        citations=citations(selection.passages),
        context_tokens=selection.context_tokens,
        query_tokens=selection.query_tokens,
        sources=selection.sources,
        order=order,
        dropped=selection.dropped,
        cache_error=selection.cache_error,
    )


def answer_of(
    question: Question,
    prompt: PreparedPrompt,
    generation: Generation,
    watch: Stopwatch,
    *,
    order: str,
    block_size: int,
    stats: CacheStats,
    cache_error: str | None,
) -> Answer:
    """The complete answer with its ledger."""
    reuse = reuse_of(prompt, order, generation, missed_in(prompt, generation, block_size))
    total_ms = watch.elapsed_ms
    ttft_ms = total_ms if generation.ttft_ms is None else generation.ttft_ms
    answer_tokens = count_in(generation.ids)
    text = "".join(generation.text).strip()
    return Answer(
        text=text,
        finish_reason=generation.finish_reason,
        cache_hit=reuse.cache_hit,
        cache_available=cache_error is None,
        cache_error=cache_error,
        latency_ms=round(total_ms, 3),
        context_tokens=prompt.selection.context_tokens,
        query_tokens=prompt.selection.query_tokens,
        answer_tokens=answer_tokens,
        total_tokens=len(prompt.ids) + answer_tokens,
        cache_stats=stats,
        citations=citations(prompt.selection.passages),
        reuse=reuse,
        timings_ms=timings(watch.stages_ms, ttft_ms, total_ms),
        request_id=question.request_id,
        searched_as=prompt.selection.searched_as,
        prompt_ids=to_bytes(prompt.ids),
        answer_ids=bytes(generation.ids),
        conversation=conversation_use(question, prompt, text),
    )


def citations(passages: tuple[Passage, ...]) -> tuple[Citation, ...]:
    """One citation for each document, of its best passage; all are in rank order."""
    best = {passage.doc_id: passage for passage in reversed(passages)}
    first = {passage.doc_id: None for passage in passages}
    return tuple(_citation(best[doc_id]) for doc_id in first)


def _citation(passage: Passage) -> Citation:
    return Citation(
        doc_id=passage.doc_id,
        title=passage.title,
        section=passage.section,
        version=passage.version,
        score=passage.score,
        snippet=_snippet(passage.body),
        url=passage.url,
        heading=passage.heading,
        start=passage.start,
        end=passage.end,
    )


def _snippet(body: str) -> str:
    text = " ".join(body.split())
    if len(text) <= _SNIPPET_CHARS:
        return text
    return text[:_SNIPPET_CHARS].rsplit(" ", 1)[0] + "…"

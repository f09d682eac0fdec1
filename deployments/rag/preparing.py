"""From a question to the ids of its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.documents import Passage, SearchQuery
from deployments.core.errors import PromptTooLong
from deployments.core.ids import SegmentKey
from deployments.core.messages import AgentSpec, Question, ResolvedSegments, SegmentSource
from deployments.core.reuse.ordering import Candidate
from deployments.core.token_ids import TokenIds, token_ids
from deployments.rag.budget import Budget, kept
from deployments.rag.parts import RagParts
from deployments.rag.prompt import PromptAssembler, rank_hint
from deployments.rag.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt's ids and what they were made of. `passages`, `keys` and `sources` are in rank order.

    Where nothing was found there is no prompt: `ids` is empty. Token counts are of documents and question.
    """

    ids: TokenIds
    passages: tuple[Passage, ...]
    keys: tuple[SegmentKey, ...]
    sources: tuple[SegmentSource, ...]
    dropped: tuple[str, ...]
    context_tokens: int
    query_tokens: int
    cache_error: str | None


class PromptPreparer:
    """Retrieves, resolves, fits, orders and joins. One for each agent."""

    def __init__(self, spec: AgentSpec, parts: RagParts) -> None:
        self._max_context = spec.max_context_tokens
        self._parts = parts
        self._assembler = PromptAssembler(parts.encoder, parts.scaffold, spec.preamble)

    async def prepare(self, question: Question, max_model_len: int, watch: Stopwatch) -> PreparedPrompt:
        """The prompt of a question. Raises PromptTooLong, KnowledgeUnavailable."""
        query_tokens = len(self._parts.encoder.encode_text(question.text.strip()))
        passages = await self._passages(question)
        watch.lap("retrieve")
        segments = [passage.segment for passage in passages]
        resolved = await self._parts.resolver.resolve(question.scope, segments)
        watch.lap("tokens")
        asked = passages or question.passages is not None
        count = self._fitting(question, passages, resolved, max_model_len) if asked else 0
        ids = self._join(question, passages[:count], resolved) if asked else token_ids()
        watch.lap("assemble")
        return PreparedPrompt(
            ids=ids,
            passages=passages[:count],
            keys=resolved.keys[:count],
            sources=resolved.sources[:count],
            dropped=tuple(passage.doc_id for passage in passages[count:]),
            context_tokens=sum(map(len, resolved.ids[:count])),
            query_tokens=query_tokens,
            cache_error=resolved.cache_error,
        )

    async def _passages(self, question: Question) -> tuple[Passage, ...]:
        if question.passages is not None:
            return question.passages
        query = SearchQuery(question.scope, question.text, question.top_k, question.section)
        return (await self._parts.retriever.search(query)).passages

    def _fitting(
        self,
        question: Question,
        passages: Sequence[Passage],
        resolved: ResolvedSegments,
        max_model_len: int,
    ) -> int:
        # The longest hint there can be is reserved for: which documents stay decides the order.
        hint = rank_hint(_names(passages), range(len(passages))[::-1]) if len(passages) > 1 else ""
        tail = self._tail(hint, question)
        fixed = len(self._assembler.head) + len(tail)
        budget = Budget(max_model_len, self._max_context, question.sampling.max_tokens, fixed)
        count = kept([len(ids) for ids in resolved.ids], budget.for_documents)
        if passages and not count:
            raise PromptTooLong("the question leaves no room for any document", "query")
        return count

    def _join(self, question: Question, passages: Sequence[Passage], resolved: ResolvedSegments) -> TokenIds:
        keys = resolved.keys[: len(passages)]
        uses = self._parts.counts.uses(question.scope, keys)
        candidates = [
            Candidate(key, len(ids), used) for key, ids, used in zip(keys, resolved.ids, uses, strict=False)
        ]
        order = self._parts.order(candidates)
        hint = rank_hint(_names(passages), order)
        tail = self._tail(hint, question)
        return self._assembler.join([resolved.ids[i] for i in order], tail)

    def _tail(self, hint: str, question: Question) -> TokenIds:
        instructions = question.instructions.strip()
        volatile = f"{hint}\n\n{instructions}" if instructions else hint
        return self._assembler.tail(volatile, question.history, question.text)


def _names(passages: Sequence[Passage]) -> list[str]:
    return [passage.title for passage in passages]

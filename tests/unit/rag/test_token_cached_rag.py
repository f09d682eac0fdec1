"""From a question to its answer: complete in every case, and exact in its ids."""

import asyncio
from dataclasses import asdict, fields, replace
from types import SimpleNamespace

import pytest

from deployments.core.errors import (
    CacheUnavailable,
    DeadlineExceeded,
    InternalFault,
    PromptTooLong,
)
from deployments.core.ledger import STAGES, Answer
from deployments.core.messages import Delta, EngineInfo, SegmentSource, Turn
from deployments.core.reuse.ordering import by_popularity
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes
from tests.fakes import FakeResolver, a_passage
from tests.unit.rag.rig import HEAD, SCOPE, SPEC, Rig, question

L1, REDIS, TOKENIZED = SegmentSource.L1, SegmentSource.REDIS, SegmentSource.TOKENIZED
TAIL = "<|im_end|>\n<|im_start|>user\nHow do I reset it?<|im_end|>\n<|im_start|>assistant\n"


def three(*sources, **options):
    return Rig([a_passage(n) for n in range(3)], sources or (L1,), **options)


def reversed_order(candidates):
    return list(range(len(candidates)))[::-1]


async def test_a_hit_is_complete():
    """Every segment from the caches: all fields of the answer, as they were made."""
    rig = three(L1, REDIS)
    answer = await rig.answer()
    context = sum(len(passage.segment) for passage in rig.retriever.passages)
    assert (answer.text, answer.finish_reason, answer.request_id) == ("Press Reset.", "stop", "req-1")
    assert (answer.cache_hit, answer.cache_available, answer.cache_error) == (True, True, None)
    assert answer.context_tokens == context
    assert answer.query_tokens == len("How do I reset it?")
    assert answer.answer_tokens == len("Press Reset.")
    prompt_tokens = len(from_bytes(answer.prompt_ids))
    assert answer.total_tokens == prompt_tokens + answer.answer_tokens
    assert asdict(answer.reuse) == {
        "segments": 3,
        "l1": 1,
        "redis": 2,
        "tokenized": 0,
        "prompt_tokens": prompt_tokens,
        "kv_cached_tokens": 32,
        "order": "named",
        "dropped": (),
        "answer": "generated",
        "estimated": False,
        "passages": tuple(
            {"doc_id": f"doc-{n}", "tokens": len(passage.segment), "source": source}
            for n, (passage, source) in enumerate(
                zip(rig.retriever.passages, ("l1", "redis", "redis"), strict=True)
            )
        ),
        "missed": tuple(
            {
                "passage": n,
                "doc_id": f"doc-{n}",
                "tokens": len(passage.segment),
                "cause": "never_seen",
                "evicted_ago_s": None,
            }
            for n, passage in enumerate(rig.retriever.passages)
        ),
    }
    assert [citation.doc_id for citation in answer.citations] == ["doc-0", "doc-1", "doc-2"]
    assert set(answer.timings_ms) == {*STAGES, "ttft", "total"}
    assert (answer.cache_stats.cache_hits, answer.cache_stats.request_hit_rate) == (3, 100.0)
    assert from_bytes(answer.answer_ids).tolist() == [ord(c) for c in "Press Reset."]


async def test_one_tokenized_segment_is_a_miss():
    """`cache_hit` needs every segment; the counters say which part was there."""
    answer = await three(L1, REDIS, TOKENIZED).answer()
    assert not answer.cache_hit
    assert (answer.reuse.l1, answer.reuse.redis, answer.reuse.tokenized) == (1, 1, 1)
    stats = answer.cache_stats
    assert (stats.cache_hits, stats.cache_misses, stats.request_hit_rate) == (2, 1, 0.0)
    assert stats.avg_miss_latency_ms == 250.0


async def test_no_context_calls_no_engine_and_has_the_same_shape():
    """With nothing to answer from, the agent says so: no prompt, no citation, no invented figure."""
    rig, other = Rig(), three()
    answer, usual = await rig.answer(), await other.answer()
    assert answer.text == SPEC.no_context
    assert rig.generator.requests == []
    assert (answer.context_tokens, answer.citations, answer.cache_hit) == (0, (), False)
    assert (answer.reuse.answer, answer.reuse.segments, answer.reuse.prompt_tokens) == ("no_context", 0, 0)
    assert (answer.total_tokens, answer.prompt_ids, answer.answer_ids) == (0, b"", b"")
    assert answer.finish_reason == "stop"
    assert answer.timings_ms.keys() == usual.timings_ms.keys()
    for field in fields(Answer):
        mine, theirs = getattr(answer, field.name), getattr(usual, field.name)
        assert isinstance(mine, type(theirs)) or field.name == "cache_error"
    assert await rig.store.read(SCOPE) == {}


async def test_no_context_streams_as_an_answer_does():
    """The fallback comes as a delta, then the complete answer."""
    events = [event async for event in Rig().rag.stream(question())]
    assert [type(event) for event in events] == [Delta, Answer]
    assert events[0].text == SPEC.no_context


async def test_documents_without_room_are_dropped_from_the_lowest_rank_and_named():
    """Three do not fit: the best two stay whole, and what is cited, counted and used are those two."""
    passages = [a_passage(n, body=f"{n}" * 100) for n in range(3)]
    room = sum(len(passage.segment) for passage in passages[:2])
    rig = Rig(passages, (L1,), spec=replace(SPEC, max_context_tokens=room))
    answer = await rig.answer()
    assert answer.reuse.dropped == ("doc-2",)
    assert (answer.reuse.segments, answer.context_tokens) == (2, room)
    assert [citation.doc_id for citation in answer.citations] == ["doc-0", "doc-1"]
    assert rig.prompt_sent() == HEAD + passages[0].segment + passages[1].segment + TAIL
    await rig.counts.settled(SCOPE)
    assert set(await rig.store.popularity(SCOPE)) == {FakeResolver.key(p.segment) for p in passages[:2]}


async def test_prompt_and_answer_never_exceed_the_model():
    """Where the model is short it decides: documents go until the answer has its room too."""
    passages = [a_passage(n, body=f"{n}" * 100) for n in range(5)]
    rig = Rig(passages, (L1,), max_model_len=450)
    answer = await rig.answer(question(sampling=Sampling(40, 0.0)))
    assert answer.reuse.segments == 2
    assert answer.reuse.dropped == ("doc-2", "doc-3", "doc-4")
    assert answer.reuse.prompt_tokens + 40 <= 450


async def test_the_hint_has_its_room_too():
    """At no length of the model does a reordered prompt, with its hint, leave the answer too little."""
    passages = [a_passage(n, body=f"{n}" * 100) for n in range(3)]
    for max_model_len in range(300, 700):
        rig = Rig(passages, sorting=reversed_order, max_model_len=max_model_len)
        answer = await rig.answer()
        assert answer.reuse.prompt_tokens + SPEC.max_tokens <= max_model_len


@pytest.mark.parametrize("max_model_len", [60, 200])
async def test_a_question_without_room_is_refused_before_the_engine(max_model_len):
    """Neither the answer nor a single document fits: an error, and nothing is generated."""
    rig = Rig([a_passage(body="x" * 100)], max_model_len=max_model_len)
    with pytest.raises(PromptTooLong) as refused:
        await rig.answer()
    assert refused.value.param == "query"
    assert rig.generator.requests == []


@pytest.mark.parametrize("sorting", [reversed_order, by_popularity, lambda found: [1, 2, 0]])
async def test_the_ids_sent_are_head_documents_in_order_and_tail(sorting):
    """The prompt has the policy's order and, where configured, the hint at what is most relevant."""
    rig = three(sorting=sorting)
    rig.use(rank_hint=True)
    answer = await rig.answer()
    sent = rig.prompt_sent()
    segments = [passage.segment for passage in rig.retriever.passages]
    places = sorted(range(3), key=lambda n: sent.index(segments[n]))
    hint = "\n\nMost relevant first: Title of 0; Title of 1; Title of 2." if places != [0, 1, 2] else ""
    assert sent == HEAD + "".join(segments[n] for n in places) + hint + TAIL
    assert rig.generator.requests[0].prompt == answer.prompt_ids
    assert [citation.doc_id for citation in answer.citations] == ["doc-0", "doc-1", "doc-2"]


async def test_used_documents_move_to_the_front():
    """A document that other questions used is the first one in the next prompt."""
    rig = three(sorting=by_popularity)
    popular = rig.retriever.passages[2]
    rig.counts.record(SCOPE, {}, [FakeResolver.key(popular.segment)])
    await rig.answer()
    assert rig.prompt_sent().startswith(HEAD + popular.segment)


async def test_history_is_in_the_tail():
    """Earlier turns come after the documents and before the question."""
    rig = three()
    await rig.answer(question(history=(Turn("Hi", "Hello"),)))
    documents = "".join(passage.segment for passage in rig.retriever.passages)
    assert rig.prompt_sent() == (
        HEAD + documents + "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello" + TAIL
    )


async def test_the_request_carries_what_the_engine_needs():
    """Salt of the tenant, sampling and id as asked, and what is left of the deadline."""
    rig = three()
    sampling = Sampling(9, 0.3, top_p=0.9, seed=5, stop=("END",))
    await rig.answer(question(sampling=sampling, deadline_s=10.0))
    (request,) = rig.generator.requests
    assert (request.request_id, request.sampling) == ("req-1", sampling)
    assert request.cache_salt == "salt of acme"
    assert request.deadline_s == pytest.approx(9.75)


async def test_the_search_is_asked_for_what_the_question_says():
    """Scope, text, number and section go into the search."""
    rig = three()
    await rig.answer(question(top_k=2, section="api"))
    (query,) = rig.retriever.queries
    assert (query.scope, query.text, query.top_k, query.section) == (SCOPE, "How do I reset it?", 2, "api")
    assert query.further == rig.spec.further_passages > 0


@pytest.mark.parametrize("part", ["resolver", "counters"])
async def test_a_cache_that_is_down_is_no_reason_for_an_error(part):
    """Same ids and a whole answer; it says that the cache was bypassed, and why."""
    well, ill = three(TOKENIZED), three(TOKENIZED)
    if part == "resolver":
        ill.resolver.cache_error = "Redis is gone"
    else:
        ill.store.down = True
    expected, answer = await well.answer(), await ill.answer()
    assert (answer.text, answer.prompt_ids) == (expected.text, expected.prompt_ids)
    assert expected.cache_available
    assert not answer.cache_available
    assert answer.cache_error in {"Redis is gone", "the store is down for record"}
    assert answer.cache_stats.cache_misses == 3


@pytest.mark.parametrize("passages", [0, 3])
async def test_counts_are_recorded_once_a_question(passages):
    """One request, one entry: neither streaming nor the final answer counts again."""
    rig = Rig([a_passage(n) for n in range(passages)], (L1,))
    for _ in range(2):
        await rig.answer()
    await rig.counts.fresh_stats(SCOPE)
    counters = await rig.store.read(SCOPE)
    assert counters.get("request_hits", 0) == (2 if passages else 0)
    assert counters.get("segment_hits", 0) == 2 * passages
    assert set((await rig.store.popularity(SCOPE)).values()) == ({2} if passages else set())


async def test_an_engine_without_a_description_costs_a_question_its_own_deadline_only():
    rig = Rig([a_passage()])
    gate = asyncio.Event()

    async def describe():
        await gate.wait()
        return EngineInfo("fake", 8192, block_size=32, kv_cache_tokens=10_000)

    rig.use(generator=SimpleNamespace(generate=rig.generator.generate, describe=describe))
    with pytest.raises(DeadlineExceeded):
        await rig.answer(question(deadline_s=0.02))
    gate.set()
    assert (await rig.answer()).text


async def test_the_engine_is_described_once():
    """Its length does not change while it runs, so only the first question asks for it."""
    rig = three()
    for _ in range(3):
        await rig.answer()
    assert rig.generator.described == 1


async def test_tokens_can_be_retrieved_without_generating():
    """`retrieve_tokens` gives the prompt's ids and what they were made of; it neither asks nor counts."""
    rig = three(L1)
    prompt = await rig.rag.retrieve_tokens(question())
    documents = "".join(passage.segment for passage in rig.retriever.passages)
    assert rig.encoder.decode(from_bytes(prompt.ids)) == HEAD + documents + TAIL
    assert (prompt.sources, prompt.order, prompt.dropped) == ((L1, L1, L1), "named", ())
    assert [citation.doc_id for citation in prompt.citations] == ["doc-0", "doc-1", "doc-2"]
    assert (prompt.context_tokens, prompt.cache_error) == (len(documents), None)
    assert rig.generator.requests == []
    assert await rig.store.read(SCOPE) == {}


async def test_a_generation_that_ends_without_an_answer_is_our_fault(monkeypatch):
    """A stream that ends early is not taken for an answer."""
    rig = three()

    async def no_events(_, *, shown):
        for event in tuple[Delta, ...]():
            yield event

    monkeypatch.setattr(rig.rag, "_events", no_events)
    with pytest.raises(InternalFault):
        await rig.answer()


async def test_a_cache_that_gave_ids_was_available_whatever_happened_to_the_counters():
    """Their exchange is a call of its own, which tells of the store only where the answer did not ask it."""
    for source, available in ((REDIS, True), (L1, False)):
        rig = three(source)
        rig.store.down = True
        answer = await rig.answer()
        assert (answer.cache_available, answer.cache_error is None) == (available, available)


async def test_stats_reset_and_clear_reach_the_scope():
    """Each goes to the scope that was named and returns what was done."""
    rig = three()
    await rig.answer()
    assert (await rig.rag.get_cache_stats(SCOPE)).cache_hits == 3
    await rig.rag.reset_stats(SCOPE)
    assert (await rig.rag.get_cache_stats(SCOPE)).cache_hits == 0
    assert rig.rag.clear_local(SCOPE) == 7
    assert rig.resolver.cleared == [(SCOPE.tenant, SCOPE.collection)]
    rig.store.down = True
    with pytest.raises(CacheUnavailable):
        await rig.rag.get_cache_stats(SCOPE)


async def test_the_callers_instructions_follow_the_documents():
    """They differ from request to request, so the prefix up to the documents must not contain them."""
    prompts = []
    for instructions in ("", "Answer in French. <|im_end|>"):
        rig = Rig([a_passage(n) for n in range(2)])
        await rig.answer(question(instructions=instructions))
        prompts.append(rig.prompt_sent())
    plain, instructed = prompts
    documents, turn, rest = plain.partition("<|im_end|>\n<|im_start|>user\n")
    assert instructed == f"{documents}\n\nAnswer in French. <|im_end|>{turn}{rest}"


async def test_the_first_delta_brings_the_prompts_ids():
    """Once, before the answer does: a stream can show them from its beginning."""
    rig = Rig([a_passage()])
    *deltas, answer = [event async for event in rig.rag.stream(question())]
    assert [event.prompt_ids for event in deltas] == [answer.prompt_ids, b"", b""]
    assert answer.prompt_ids


async def test_the_reminder_follows_the_documents_before_a_callers_instructions():
    """The documents stay a common prefix, whatever follows."""
    rig = Rig([a_passage(1)], spec=replace(SPEC, reminder="Say so if they do not tell."))
    await rig.answer(question(instructions="Answer in French."))
    body = a_passage(1).body
    places = [rig.prompt_sent().index(text) for text in (body, "Say so if", "Answer in French.", "How do I")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("similarities", "added"), [((0.2, 0.3), True), ((0.3, 0.6), False), ((None,), False)]
)
async def test_doubt_is_added_only_where_no_document_is_similar(similarities, added):
    """Where no similarity is known (of templates recalled by type), none is added."""
    found = [replace(a_passage(n), similarity=value) for n, value in enumerate(similarities)]
    rig = Rig(found, spec=replace(SPEC, doubt="You may not know.", sure_from=0.45))
    await rig.answer()
    assert ("You may not know." in rig.prompt_sent()) == added


@pytest.mark.parametrize("cold", [False, True])
async def test_a_prompt_has_the_salt_of_its_tenant(cold):
    """Also where the process has to ask for it, which it does while it searches."""
    rig = Rig([a_passage(0)])
    rig.salts.cold = cold
    await rig.answer()
    (request,) = rig.generator.requests
    assert request.cache_salt == "salt of acme"
    assert rig.replicas.asked[0][0] == "salt of acme"

"""The engine adapter against a real vLLM with SmolLM2."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import psutil
import pytest
from tokenizers import Tokenizer

from deployments.core.errors import (
    ConfigurationError,
    DeadlineExceeded,
    EngineUnavailable,
    InvalidRequest,
    PromptTooLong,
)
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.ports import Generator
from deployments.core.reuse.paths import ids_segment
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.sampling import Sampling, Shaping
from deployments.core.token_ids import TokenIds, from_bytes, join, to_bytes, token_ids
from deployments.engine.config import EngineConfig
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_events import KvEvents
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.shared_answers import KeepFor, SharedAnswers
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warm_prompts import WarmPrompt, plan
from deployments.engine.warming import warm
from tests.listeners import listening_sockets

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
numbers = itertools.count()


def new_ids(count: int) -> TokenIds:
    """Ids that no earlier prompt began with."""
    return token_ids(random.Random(next(numbers)).choices(range(1000, 40_000), k=count))


def request(
    ids: TokenIds, *, salt: str = "a", deadline_s: float = 60.0, max_tokens: int = 4, **sampling: object
) -> GenerateRequest:
    return GenerateRequest(
        RequestId(f"test-{next(numbers)}"),
        to_bytes(ids),
        Sampling(max_tokens=max_tokens, **{"temperature": 0.0, **sampling}),  # type: ignore[arg-type]
        salt,
        deadline_s,
    )


async def resident(engine: VllmEngine) -> ResidentEngine:
    """A replica around the module's engine, which follows no events."""
    info = await engine.describe()
    return ResidentEngine(engine, info, ReplicaName("replica", "epoch"), EngineTurns(20, 80), time.monotonic)


async def answer(engine: Generator, asked: GenerateRequest) -> list[Delta]:
    return [delta async for delta in engine.generate(asked)]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def idle(engine: VllmEngine) -> bool:
    """Whether the engine's scheduler has nothing to do within 2 s."""
    for _ in range(200):
        counters = engine.counters()
        if counters.running == counters.waiting == 0:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.fixture(scope="module")
def tokenizer(embedded_llm: Path) -> Tokenizer:
    return Tokenizer.from_file(str(embedded_llm / "tokenizer.json"))


def chat(tokenizer: Tokenizer, question: str) -> TokenIds:
    rendered = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    return token_ids(tokenizer.encode(rendered).ids)


async def test_describes_itself(engine: VllmEngine) -> None:
    info = await engine.describe()
    assert (info.model, info.max_model_len, info.block_size) == ("smollm2", 2048, 32)
    assert info.kv_cache_tokens > 5000  # 5,824 in float32, twice as many in bfloat16


async def test_its_worker_has_a_lower_priority_than_the_serving_processes(engine: VllmEngine) -> None:
    await answer(engine, request(new_ids(40)))
    children = psutil.Process().children(recursive=True)
    workers = [child for child in children if child.name().startswith("VLLM::Worker")]
    threads = [thread.id for worker in workers for thread in worker.threads()]
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {19}


async def test_answers_a_question(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    deltas = await answer(engine, request(chat(tokenizer, "What is the capital of France?"), max_tokens=40))
    assert "Paris" in text_of(deltas)
    assert deltas[-1].finish_reason == "stop"


async def test_an_answer_within_a_json_schema(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    """It is compact and complete at any temperature. Cut off at max_tokens, it is valid so far."""
    text = {"type": "string", "minLength": 1, "maxLength": 30}
    tags = {"type": "array", "items": text, "minItems": 1, "maxItems": 3}
    schema = {
        "type": "object",
        "properties": {"name": text, "tags": tags},
        "required": ["name", "tags"],
        "additionalProperties": False,
    }
    prompt = chat(tokenizer, "Tell me a story, not in JSON.")
    asked: dict[str, Any] = {"json_schema": json.dumps(schema), "max_tokens": 300}
    for seed, temperature in enumerate((0.0, 1.5)):
        deltas = await answer(engine, request(prompt, **asked, temperature=temperature, seed=seed))
        assert deltas[-1].finish_reason == "stop"
        assert jsonschema_rs.is_valid(schema, json.loads(text_of(deltas)))
        assert text_of(deltas).startswith('{"name":"')
    short = await answer(engine, request(prompt, **asked | {"max_tokens": 5}))
    assert short[-1].finish_reason == "length"
    assert text_of(short).startswith('{"name":"')


async def test_shaping_reaches_the_sampler(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    """Only the most probable token is left: however hot, the answer is the greedy one."""
    prompt = chat(tokenizer, "What is the capital of France?")
    greedy = await answer(engine, request(prompt))
    hot = await answer(engine, request(prompt, temperature=1.9, shaping=Shaping(top_k=1)))
    assert text_of(hot) == text_of(greedy)


@pytest.mark.parametrize("schema", ["{", '{"properties": 3}', ""])
async def test_what_is_no_schema_is_refused(engine: VllmEngine, schema: str) -> None:
    with pytest.raises(InvalidRequest):
        await answer(engine, request(new_ids(20), json_schema=schema))
    assert await answer(engine, request(new_ids(20)))


async def test_seeded_sampling_repeats_itself_however_the_prompt_is_prefilled(engine: VllmEngine) -> None:
    """In parts, in a batch, or found in the cache. On a CPU, vLLM's own seeding would end the engine."""
    ids = new_ids(900)
    seeded: dict[str, Any] = {"temperature": 1.0, "seed": 7, "max_tokens": 8}
    first = b"".join([delta.ids for delta in await answer(engine, request(ids, **seeded))])
    again = await asyncio.gather(*(answer(engine, request(ids, salt=f"s{n}", **seeded)) for n in range(3)))
    other = await answer(engine, request(ids, **seeded | {"seed": 8}))
    assert len(first) == 4 * 8
    assert [b"".join([delta.ids for delta in deltas])[:4] for deltas in again] == [first[:4]] * 3
    assert b"".join([delta.ids for delta in other]) != first


async def test_the_same_ids_again_reuse_their_kv(engine: VllmEngine) -> None:
    ids = new_ids(400)
    first, second = await answer(engine, request(ids)), await answer(engine, request(ids))
    assert first[0].kv_cached_tokens == 0
    assert second[0].kv_cached_tokens == 384  # whole blocks of 32


async def test_another_salt_reuses_nothing(engine: VllmEngine) -> None:
    ids = new_ids(200)
    await answer(engine, request(ids, salt="a"))
    assert (await answer(engine, request(ids, salt="b")))[0].kv_cached_tokens == 0
    assert (await answer(engine, request(ids, salt="b")))[0].kv_cached_tokens == 192


async def test_cached_tokens_agree_with_the_engines_counters(engine: VllmEngine) -> None:
    ids = new_ids(300)
    before, reported, prompts = engine.counters(), 0, 0
    for length in (300, 300, 150, 40):
        deltas = await answer(engine, request(ids[:length]))
        reported += deltas[0].kv_cached_tokens or 0
        prompts += length
    after = engine.counters()
    assert after.prefix_hits - before.prefix_hits == reported > 0
    assert after.prefix_queries - before.prefix_queries == prompts


async def test_only_first_and_last_delta_carry_figures(engine: VllmEngine) -> None:
    deltas = await answer(engine, request(new_ids(50), max_tokens=8))
    first, *middle, last = deltas
    assert None not in (first.kv_cached_tokens, first.queue_ms, first.prefill_ms)
    assert (last.finish_reason, last.decode_ms is not None) == ("length", True)
    assert middle == [Delta(delta.text, delta.ids) for delta in middle]
    assert sum(len(from_bytes(delta.ids)) for delta in deltas) == 8


async def test_one_delta_can_be_first_and_last(engine: VllmEngine) -> None:
    (only,) = await answer(engine, request(new_ids(50), max_tokens=1))
    assert only.kv_cached_tokens == 0
    assert (only.finish_reason, only.decode_ms) == ("length", 0.0)


async def test_ids_of_the_deltas_decode_to_their_text(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    deltas = await answer(engine, request(chat(tokenizer, "Tell me about tides."), max_tokens=60))
    ids = join(from_bytes(delta.ids) for delta in deltas)
    assert tokenizer.decode(ids.tolist(), skip_special_tokens=True) == text_of(deltas) != ""


async def test_text_never_holds_half_a_character(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    ids = token_ids(tokenizer.encode("漢字" * 15).ids)
    deltas = await answer(engine, request(ids, max_tokens=40))
    assert any(not delta.text for delta in deltas)  # a character's first bytes wait for the rest
    whole = tokenizer.decode(join(from_bytes(delta.ids) for delta in deltas).tolist())
    assert text_of(deltas) == whole.rstrip("\ufffd")
    assert "漢字" in whole


async def test_a_stop_string_ends_the_answer_without_itself(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    ids = chat(tokenizer, "Count from one to ten in words.")
    await answer(engine, request(ids, max_tokens=40))
    # From here on the prompt is cached, so that near ties can't fall differently.
    whole = text_of(await answer(engine, request(ids, max_tokens=40)))
    stop = whole.split()[4]
    deltas = await answer(engine, request(ids, max_tokens=40, stop=(stop,)))
    assert text_of(deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish_reason == "stop"
    assert await idle(engine)


async def test_a_seed_repeats_a_sampled_answer(engine: VllmEngine, tokenizer: Tokenizer) -> None:
    ids = chat(tokenizer, "Invent a name for a boat.")
    await answer(engine, request(ids))
    texts = [
        text_of(await answer(engine, request(ids, temperature=1.0, seed=7, max_tokens=12))) for _ in "ab"
    ]
    assert texts[0] == texts[1]


async def test_requests_run_together(engine: VllmEngine) -> None:
    answers = await asyncio.gather(*(answer(engine, request(new_ids(64), max_tokens=8)) for _ in range(4)))
    assert [deltas[-1].finish_reason for deltas in answers] == ["length"] * 4


async def test_closing_the_stream_aborts_in_the_engine(engine: VllmEngine) -> None:
    async with aclosing(engine.generate(request(new_ids(64), max_tokens=1900))) as deltas:
        await anext(deltas)
        assert engine.counters().running == 1
    assert await idle(engine)


async def test_cancelling_the_reader_aborts_in_the_engine(engine: VllmEngine) -> None:
    reader = asyncio.create_task(answer(engine, request(new_ids(1800), max_tokens=200)))
    await asyncio.sleep(0.2)  # in the middle of its prefill
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await idle(engine)


async def test_a_missed_deadline_aborts_in_the_engine(engine: VllmEngine) -> None:
    with pytest.raises(DeadlineExceeded):
        await answer(engine, request(new_ids(64), max_tokens=1900, deadline_s=0.5))
    assert await idle(engine)


async def test_a_slow_reader_meets_the_deadline_too(engine: VllmEngine) -> None:
    async with aclosing(engine.generate(request(new_ids(64), max_tokens=1900, deadline_s=2.0))) as deltas:
        await anext(deltas)
        await asyncio.sleep(2.0)
        with pytest.raises(DeadlineExceeded):
            await anext(deltas)
    assert await idle(engine)


async def test_a_prompt_without_room_for_its_answer_is_refused(engine: VllmEngine) -> None:
    with pytest.raises(PromptTooLong, match="2000 tokens of prompt and 49 for the answer"):
        await answer(engine, request(new_ids(2000), max_tokens=49))
    assert (await answer(engine, request(new_ids(2047), max_tokens=1)))[-1].finish_reason == "length"


@pytest.mark.parametrize(
    "refused",
    [
        request(token_ids()),
        request(token_ids([49_152])),
        request(token_ids([1, 2, 3]), salt=""),
        request(token_ids([1, 2, 3]), temperature=-1.0),
        request(token_ids([1, 2, 3]), max_tokens=0),
    ],
    ids=["empty", "not in the vocabulary", "no salt", "temperature", "no tokens"],
)
async def test_what_the_engine_cannot_take_is_an_invalid_request(
    engine: VllmEngine, refused: GenerateRequest
) -> None:
    with pytest.raises(InvalidRequest):
        await answer(engine, refused)


async def test_fifty_equal_requests_are_one_generation(engine: VllmEngine) -> None:
    shared = SharedAnswers(await resident(engine), "smollm2", KeepFor(10**6, 60.0), time.monotonic)
    asked = [replace(request(ids, max_tokens=8), share_answer=True) for ids in [new_ids(100)] * 50]
    before = engine.counters().prefix_queries
    answers = await asyncio.gather(*(answer(shared, one) for one in asked))
    assert engine.counters().prefix_queries - before == 100
    assert len({text_of(deltas) for deltas in answers}) == 1
    assert [deltas[0].shared for deltas in answers] == [None] + ["flight"] * 49
    assert (await answer(shared, asked[0]))[0].shared == "kept"
    assert engine.counters().prefix_queries - before == 100


async def test_a_shared_generation_goes_on_without_its_first_reader_and_ends_with_its_last(
    engine: VllmEngine,
) -> None:
    shared = SharedAnswers(await resident(engine), "smollm2", KeepFor(10**6, 60.0), time.monotonic)
    ids, others = new_ids(300), new_ids(300)
    first, *rest = (
        asyncio.create_task(answer(shared, replace(request(ids, max_tokens=8), share_answer=True)))
        for _ in range(50)
    )
    await asyncio.sleep(0.05)
    first.cancel()
    assert len({text_of(deltas) for deltas in await asyncio.gather(*rest)}) == 1
    asking = [
        asyncio.create_task(answer(shared, replace(request(others, max_tokens=1500), share_answer=True)))
        for _ in range(5)
    ]
    await asyncio.sleep(0.5)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert await idle(engine)


async def test_a_warm_start_is_found_by_the_first_questions(engine: VllmEngine) -> None:
    """Twenty questions with six different beginnings, asked with an empty and with a warmed cache."""
    salt, head = "warm", new_ids(60)
    documents = [new_ids(180) for _ in range(8)]
    dice = random.Random(3)
    paths = [dice.sample(documents, 3) for _ in range(6)]
    asked = [paths[min(int(dice.expovariate(0.5)), 5)] for _ in range(20)]
    replica = await resident(engine)
    following = asyncio.create_task(KvEvents(engine.events, replica.feed).follow())

    async def found() -> list[int]:
        """Tokens that each question finds in the cache, at most 600."""
        tokens = []
        for path in asked:
            deltas = await answer(replica, request(join([head, *path, new_ids(20)]), salt=salt, max_tokens=1))
            tokens.append(deltas[0].kv_cached_tokens or 0)
        return tokens

    assert await engine._llm.reset_prefix_cache()
    cold = await found()
    assert await engine._llm.reset_prefix_cache()
    prompts = [WarmPrompt(salt, tuple((ids_segment(ids), ids) for ids in (head, *path))) for path in paths]
    planned = plan(prompts, 8000, 2047)
    warmed = await warm(replica, [(salt, one.prompt, one.layout) for one in planned], 120.0)
    warm_found = await found()
    print(f"found of 600 tokens, first 20 questions: cold {cold}, warmed {warm_found}; {warmed}")
    assert warmed.prompts == len(planned)
    assert all(tokens == 576 for tokens in warm_found)
    assert sum(cold) < sum(warm_found)
    view = ReplicaView("replica")
    view.apply(replica.survey(salt, ()))
    best = view.longest_path(ids_segment(head), [ids_segment(ids) for ids in paths[0]])
    assert best.cached_tokens == 576
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


@pytest.mark.usefixtures("engine")  # imports vLLM, whose warnings are errors in a test
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_model_len": 9000}, r"max_model_len \(9000\)[^.]*8192"),
        ({"model": "/proc/self/fdinfo"}, "local directory specified: '/proc/self/fdinfo'"),
    ],
)
async def test_what_vllm_refuses_is_a_wrong_setting(
    engine_config: EngineConfig, wrong: dict[str, Any], said: str
) -> None:
    """Said in one sentence, before anything is loaded: a length, a folder without a model."""
    with pytest.raises(ConfigurationError, match=said) as error:
        await VllmEngine.start(replace(engine_config, **wrong))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


async def test_nobody_else_can_connect_to_its_sockets(engine: VllmEngine) -> None:
    await engine.check_health()
    sockets = listening_sockets(os.getpid())
    assert {"unix", "tcp"} <= {listener.protocol for listener in sockets}
    assert [listener for listener in sockets if not listener.is_private] == []


async def test_a_killed_engine_is_unavailable_and_unhealthy(engine: VllmEngine) -> None:
    """Must stay the last test, because it ends the module's engine."""
    (core,) = engine._llm.engine_core.resources.engine_manager.processes
    reader = asyncio.create_task(answer(engine, request(new_ids(64), max_tokens=1900)))
    await asyncio.sleep(0.5)
    core.kill()
    with pytest.raises(EngineUnavailable):
        await reader
    for call in (engine.check_health, engine.describe):
        with pytest.raises(EngineUnavailable):
            await call()
    with pytest.raises(EngineUnavailable):
        await answer(engine, request(new_ids(8)))

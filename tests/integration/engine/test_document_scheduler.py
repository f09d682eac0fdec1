"""vLLM's own scheduler with the application's eviction, given requests; no model runs."""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.core.reuse.block_cache import BlockCacheModel, reusable_blocks
from deployments.engine.config import REUSABLE_TOKENS
from deployments.engine.vllm_engine import use_document_scheduler

BLOCK_TOKENS = 32
BLOCKS = 80
REQUESTS = 150
EOS = 2

Scheduled = tuple[Any, dict[str, bool]]


class Engine:
    """A scheduler and a model that answers with random tokens. Asynchronous: schedules a step ahead."""

    def __init__(self, model: Path, scheduler: Callable[..., Any], *, asynchronous: bool) -> None:
        import torch
        from vllm.config import KVEventsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.utils.hashing import sha256
        from vllm.v1.core import kv_cache_utils
        from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
        from vllm.v1.structured_output import StructuredOutputManager

        events = KVEventsConfig(enable_kv_cache_events=True, publisher="null")
        arguments = AsyncEngineArgs(
            model=str(model),
            max_model_len=4096,
            max_num_batched_tokens=512,
            max_num_seqs=8,
            block_size=BLOCK_TOKENS,
            enable_prefix_caching=True,
            kv_events_config=events,
        )
        config = arguments.create_engine_config()
        config.scheduler_config.async_scheduling = asynchronous
        config.cache_config.num_gpu_blocks = BLOCKS + 1  # one is vLLM's null block
        spec = FullAttentionSpec(block_size=BLOCK_TOKENS, num_kv_heads=1, head_size=1, dtype=torch.float32)
        kv_cache_utils.init_none_hash(sha256)
        self._hasher = kv_cache_utils.get_request_block_hasher(BLOCK_TOKENS, sha256)
        self._random = Random(1)
        self._steps_ahead = int(asynchronous)
        self.found: dict[str, int] = {}
        """Tokens that each request found in the cache."""
        self.events: defaultdict[str, list[int]] = defaultdict(list)
        """Numbers of the blocks of each type of event."""
        self.scheduler = scheduler(
            vllm_config=config,
            kv_cache_config=KVCacheConfig(BLOCKS + 1, [], [KVCacheGroupSpec(["layer"], spec)]),
            structured_output_manager=StructuredOutputManager(config),
            block_size=BLOCK_TOKENS,
        )
        self.scheduler.kv_event_publisher = self
        self.pool = self.scheduler.kv_cache_manager.block_pool

    def add(self, name: str, prompt: list[int], output_tokens: int, reusable: int | None) -> Any:
        from vllm import SamplingParams
        from vllm.v1.request import Request

        extra = None if reusable is None else {REUSABLE_TOKENS: reusable}
        parameters = SamplingParams(max_tokens=output_tokens, ignore_eos=True, extra_args=extra)
        parameters.update_from_generation_config({}, EOS)
        request = Request(name, prompt, parameters, None, block_hasher=self._hasher)
        self.scheduler.add_request(request)
        return request

    def run(self) -> None:
        """Runs until no request is left."""
        ahead: deque[Scheduled] = deque()
        while self.scheduler.has_requests():
            step = self.scheduler.schedule()
            chunks = {
                name: self.scheduler.requests[name].is_prefill_chunk for name in step.num_scheduled_tokens
            }
            ahead.append((step, chunks))
            while len(ahead) > self._steps_ahead or (ahead and not step.total_num_scheduled_tokens):
                self._complete(*ahead.popleft())

    def _complete(self, step: Any, chunks: dict[str, bool]) -> None:
        from vllm.v1.outputs import ModelRunnerOutput

        names = list(chunks)
        sampled = [[] if chunks[name] else [self._random.randrange(100, 10**6)] for name in names]
        index = {name: number for number, name in enumerate(names)}
        outputs = self.scheduler.update_from_output(step, ModelRunnerOutput(names, index, sampled))
        for output in (one for of_client in outputs.values() for one in of_client.outputs):
            if output.prefill_stats is not None:
                self.found[output.request_id] = output.prefill_stats.num_cached_tokens

    def publish(self, batch: Any) -> None:
        """Collects the events of a step."""
        for event in batch.events:
            self.events[type(event).__name__] += [number(block) for block in event.block_hashes]

    def shutdown(self) -> None:
        """The scheduler's publisher has it."""


def number(block_hash: Any) -> int:
    return block_hash if isinstance(block_hash, int) else int.from_bytes(block_hash[-8:], "big")


def wanted(random: Random) -> tuple[list[int], int, int]:
    """A prompt of documents in any order and a question, how much of it is documents, tokens to answer."""
    documents = [min(int(random.expovariate(0.25)), 15) for _ in range(random.randint(1, 4))]
    reusable = [document for document in dict.fromkeys(documents) for _ in range(25 + 7 * document)]
    question = [random.randrange(10**6) for _ in range(random.randint(1, 200))]
    return reusable + question, len(reusable), random.randint(1, 60)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
        yield


def scheduler(*, asynchronous: bool, documents: bool = True) -> Callable[..., Any]:
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.scheduler import Scheduler

    from deployments.engine import document_scheduler

    if documents:
        name = document_scheduler.scheduler_name(asynchronous=asynchronous)
        return getattr(document_scheduler, name.rpartition(".")[2])  # type: ignore[no-any-return]
    return AsyncScheduler if asynchronous else Scheduler  # type: ignore[no-any-return]


def test_the_adapter_was_written_for_this_vllm() -> None:
    """After an update of vLLM: read what has changed in these parts, then enter their digests in `KNOWN`."""
    from deployments.engine.document_scheduler import KNOWN, changed_parts, digest

    assert changed_parts() == [], {part.__qualname__: digest(part) for part in KNOWN}


@pytest.mark.parametrize("missing", [False, True])
def test_another_vllm_keeps_its_own_scheduler(
    missing: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One whose classes have changed, or that lacks some of them. A warning says so."""
    from deployments.engine import document_scheduler

    config = SimpleNamespace(scheduler_cls=None, async_scheduling=True)
    use_document_scheduler(config)
    assert config.scheduler_cls == "deployments.engine.document_scheduler.AsyncDocumentScheduler"
    config.scheduler_cls = None
    if missing:
        monkeypatch.setitem(sys.modules, "deployments.engine.document_scheduler", None)
    else:
        monkeypatch.setitem(document_scheduler.KNOWN, BlockCacheModel, "another")
    use_document_scheduler(config)
    assert config.scheduler_cls is None
    assert "WARMLINE_EVICTION=lru ends this warning" in caplog.text
    assert missing or "BlockCacheModel" in caplog.text


@pytest.mark.parametrize("asynchronous", [False, True])
def test_vllm_holds_what_the_model_with_documents_holds(embedded_llm: Path, asynchronous: bool) -> None:
    """Hits, blocks stored and blocks removed, request by request."""
    random = Random(3)
    engine = Engine(embedded_llm, scheduler(asynchronous=asynchronous), asynchronous=asynchronous)
    model = BlockCacheModel(BLOCKS)
    hits = evictions = 0
    for count in range(REQUESTS):
        prompt, reusable, output_tokens = wanted(random)
        request = engine.add(str(count), prompt, output_tokens, reusable)
        engine.run()
        assert request.num_output_tokens == output_tokens
        chain = [number(block_hash) for block_hash in request.block_hashes]
        computed = len(prompt) + output_tokens - 1
        done = model.admit(
            chain[: computed // BLOCK_TOKENS],
            reusable_blocks(len(prompt), BLOCK_TOKENS),
            computed % BLOCK_TOKENS > 0,
            reusable // BLOCK_TOKENS,
        )
        assert done.hit_blocks * BLOCK_TOKENS == engine.found[str(count)]
        assert sorted(done.stored) == sorted(engine.events.pop("BlockStored", []))
        assert sorted(done.evicted) == sorted(engine.events.pop("BlockRemoved", []))
        hits += done.hit_blocks
        evictions += len(done.evicted)
    assert hits > REQUESTS
    assert evictions > REQUESTS


def found_of(engine: Engine) -> int:
    """Tokens that requests find which come eight at a time. All blocks are free at the end."""
    random = Random(5)
    for count in range(0, REQUESTS, 8):
        requests = []
        for extra in range(8):
            prompt, reusable, output_tokens = wanted(random)
            requests.append(engine.add(f"{count + extra}", prompt, output_tokens, reusable))
        engine.run()
        assert all(request.num_output_tokens == request.max_tokens for request in requests)
        assert engine.pool.get_num_free_blocks() == BLOCKS
    return sum(engine.found.values())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_requests_that_run_together_find_more_than_in_vllms_order(
    embedded_llm: Path, asynchronous: bool
) -> None:
    """More than fit into the cache, so some are preempted."""
    documents, lru = (
        found_of(
            Engine(
                embedded_llm,
                scheduler(asynchronous=asynchronous, documents=documents),
                asynchronous=asynchronous,
            )
        )
        for documents in (True, False)
    )
    print(f"tokens found: {documents} with documents, {lru} least recently used")
    assert documents > 1.1 * lru


def test_a_prompt_of_unknown_layout_counts_as_a_whole(embedded_llm: Path) -> None:
    """Of two prompts that are followed by a long question, the one with a layout lost what is no document."""
    engine = Engine(embedded_llm, scheduler(asynchronous=False), asynchronous=False)
    prompts = {name: Random(name).choices(range(10**6), k=10 * BLOCK_TOKENS) for name in ("known", "unknown")}
    for name, reusable in (("known", 2 * BLOCK_TOKENS), ("unknown", None)):
        engine.add(name, prompts[name], 1, reusable)
        engine.run()
    long = Random(0).choices(range(10**6), k=(BLOCKS - 12) * BLOCK_TOKENS - 1)
    engine.add("long", long, 1, 0)
    engine.run()
    found = {}
    for name, prompt in prompts.items():
        engine.add(f"{name} again", prompt, 1, 0)
        engine.run()
        found[name] = engine.found[f"{name} again"] // BLOCK_TOKENS
    assert found == {"known": 2, "unknown": 9}


def test_an_emptied_cache_has_no_documents(embedded_llm: Path) -> None:
    engine = Engine(embedded_llm, scheduler(asynchronous=False), asynchronous=False)
    for name in ("first", "second"):
        engine.add(name, [7] * 300, 1, 300)
        engine.run()
    assert engine.scheduler.reset_prefix_cache()
    assert engine.pool.get_num_free_blocks() == BLOCKS
    assert not any(engine.pool.free_block_queue.order._standing.values())

"""The real engine with a tiny model: two layers of random weights.

How many tokens an engine finds in its cache depends on the ids only, not on the weights. This model prefills
about a hundred times faster than the embedded one, so hundreds of requests go through vLLM, its block pool
and its events within seconds.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cache
from pathlib import Path
from random import Random

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.paths import Known, ResidencyUpdate, pack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import TokenIds, join, to_bytes, token_ids
from deployments.engine.config import EngineConfig, EventAddresses
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_events import ANSWER_WITHIN_S, ASK_EVERY_S, KvEvents
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.vllm_engine import VllmEngine
from tests.bench.studies.through_replicas import Sent, Served

BLOCK_TOKENS = 32
MODEL_LEN = 8192
VOCABULARY = 49_152
ANSWER_TOKENS = 8
"""The KV of the last one is never computed."""
ORDINARY = 1_000
"""The first id that is no control token."""


def make_model(folder: Path, tokenizer_of: Path) -> Path:
    """Writes the model to `folder`, with the tokenizer of another model; returns the folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for file in tokenizer_of.iterdir():
        if file.name.startswith("tokenizer") or file.name == "chat_template.jinja":
            shutil.copy(file, folder)
    return folder


@asynccontextmanager
async def open_vllm(
    model: Path, capacity_tokens: int, eviction: EvictionPolicy = "documents"
) -> AsyncIterator[VllmEngine]:
    """An engine with an empty cache of this capacity, plus the one block that vLLM never fills."""
    config = EngineConfig(
        str(model),
        "tiny",
        dtype="float32",
        block_size=BLOCK_TOKENS,
        max_model_len=MODEL_LEN,
        kv_cache_gib=0.25,
        num_gpu_blocks=capacity_tokens // BLOCK_TOKENS + 1,
        eviction=eviction,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
        engine = await VllmEngine.start(config)
    try:
        yield engine
    finally:
        await engine.shutdown()


async def resident(
    vllm: VllmEngine,
    name: str,
    events: EventAddresses | None = None,
    *,
    ask_every_s: float = ASK_EVERY_S,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> ResidentEngine:
    """A resident engine around `vllm`, as in `assembly.engine`. `events` default to the engine's own."""
    info = await vllm.describe()
    replica, turns = ReplicaName(name, secrets.token_hex(8)), EngineTurns(vllm.seats, 80)
    engine = ResidentEngine(vllm, info, replica, turns, time.monotonic, hash_seed=vllm.hash_seed)
    follower = KvEvents(
        events or vllm.events, engine.feed, ask_every_s=ask_every_s, answer_within_s=answer_within_s
    )
    engine.run_in_background(follower.follow())
    return engine


@cache
def ids_of(name: str, tokens: int) -> TokenIds:
    """Random ids, always the same for the same name."""
    return token_ids(Random(name).choices(range(ORDINARY, VOCABULARY), k=tokens))


def passage_ids(passage: int, tokens: int) -> TokenIds:
    """The ids of one of the generator's passages."""
    return ids_of(f"passage {passage}", tokens)


def preamble_ids(tokens: int) -> TokenIds:
    """The ids at the start of all prompts."""
    return ids_of("preamble", tokens)


class EngineReplica:
    """A replica that is a real engine."""

    def __init__(self, name: str, engine: ResidentEngine, salt: str, settle_s: float) -> None:
        """Each answer is followed by a wait of `settle_s`, until the engine's events have arrived."""
        self.name = name
        self._engine = engine
        self._salt = salt
        self._settle_s = settle_s
        self.answers: list[bytes] = []
        """Ids of all answers."""

    async def serve(self, sent: Sent, known: Sequence[Known]) -> Served:
        """Prefills the prompt and samples an answer."""
        preamble, *documents = sent.steps
        segments = [preamble_ids(preamble.tokens)]
        segments += [
            passage_ids(passage, step.tokens) for passage, step in zip(sent.documents, documents, strict=True)
        ]
        asked = sent.prompt.prompt_tokens - sum(step.tokens for step in sent.steps)
        segments.append(
            token_ids(Random(f"question {sent.number}").choices(range(ORDINARY, VOCABULARY), k=asked))
        )
        request = GenerateRequest(
            request_id=RequestId(secrets.token_hex(8)),
            prompt=to_bytes(join(segments)),
            sampling=Sampling(max_tokens=ANSWER_TOKENS, temperature=0.0, ignore_eos=True),
            cache_salt=self._salt,
            deadline_s=600.0,
            layout=pack_steps(sent.steps),
            known=tuple(known),
        )
        first = await self._first(request)
        await asyncio.sleep(self._settle_s)
        assert first.residency is not None
        return Served(first.kv_cached_tokens or 0, first.residency)

    async def _first(self, request: GenerateRequest) -> Delta:
        async with aclosing(self._engine.generate(request)) as deltas:
            found = [delta async for delta in deltas]
        self.answers.append(b"".join(delta.ids for delta in found))
        return found[0]

    def survey(self, known: Sequence[Known]) -> ResidencyUpdate:
        """The update of the engine."""
        return self._engine.survey(self._salt, known)

"""What the engine has to do on any machine: each check yields what it expects and what it found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, NamedTuple

import jsonschema_rs

from deployments.core.reuse.block_cache import reusable_blocks
from deployments.core.reuse.paths import ids_segment
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.sampling import Sampling
from tests.gpu.asking import REPLICA, Replica, new_ids

QUESTION_TOKENS = 30
WITHIN_S = 2.0
"""How long events, and the end of a cancelled request, may take."""
_TEXT = {"type": "string", "minLength": 1, "maxLength": 30}
SCHEMA = {
    "type": "object",
    "properties": {"name": _TEXT, "tags": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 3}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}


class Check(NamedTuple):
    """One expectation."""

    name: str
    expected: Any
    found: Any

    @property
    def met(self) -> bool:
        """Whether it is as expected."""
        return bool(self.expected == self.found)


async def reuse(replica: Replica, sizes: list[int]) -> AsyncIterator[tuple[list[Check], dict[str, Any]]]:
    """For each size: a cold prompt, the same again, and another question after the first half of it.

    Yields the checks, and a row with the times to the first token.
    """
    block = (await replica.vllm.describe()).block_size
    for size in sizes:
        salt = f"reuse {size}"
        documents = [new_ids(size // 2), new_ids(size - size // 2 - QUESTION_TOKENS)]
        question = new_ids(QUESTION_TOKENS)
        cold = await replica.ask([*documents, question], salt)
        again = await replica.ask([*documents, question], salt)
        shared = await replica.ask([documents[0], new_ids(size - size // 2)], salt)
        other = await replica.ask([*documents, question], f"another {salt}")
        checks = [
            Check(f"{size} tokens: cold", 0, cold.cached_tokens),
            Check(f"{size} tokens: repeated", reusable_blocks(size, block) * block, again.cached_tokens),
            Check(f"{size} tokens: shared prefix", size // 2 // block * block, shared.cached_tokens),
            Check(f"{size} tokens: another tenant", 0, other.cached_tokens),
        ]
        yield (
            checks,
            {
                "prompt_tokens": size,
                "cold_ms": round(cold.ttft_ms, 2),
                "repeated_ms": round(again.ttft_ms, 2),
                "shared_half_ms": round(shared.ttft_ms, 2),
                "prefilled_per_s": round(size / cold.ttft_ms * 1000),
            },
        )


async def residency(replica: Replica, size: int) -> list[Check]:
    """The replica's report says what the engine finds next, by the engine's own events."""
    salt, documents = "residency", [new_ids(size // 2), new_ids(size // 2 - QUESTION_TOKENS)]
    view = ReplicaView(REPLICA)
    first = await replica.ask([*documents, new_ids(QUESTION_TOKENS)], salt)
    if first.residency is not None:
        view.apply(first.residency)
    await asyncio.sleep(WITHIN_S)  # blocks that no event has confirmed by then are dropped
    view.apply(replica.engine.survey(salt, [view.known]))
    head, *rest = map(ids_segment, documents)
    told = view.path_along(head, rest).cached_tokens
    second = await replica.ask([*documents, new_ids(QUESTION_TOKENS)], salt, (view.known,))
    counters = replica.engine.counters()
    return [
        Check("residency: told before", told, second.cached_tokens),
        Check("residency: something is told", True, told > 0),
        Check("residency: by events", False, counters.residency_estimated),
    ]


async def cancelled(replica: Replica, size: int) -> list[Check]:
    """A reader that leaves ends the generation, and the next request is answered."""
    request = replica.request([new_ids(size), new_ids(8)], "cancel", (), Sampling(900, 0.0, ignore_eos=True))
    async with aclosing(replica.engine.generate(request)) as stream:
        await anext(stream)
    after = await replica.ask([new_ids(64), new_ids(8)], "cancel")
    for _ in range(int(WITHIN_S / 0.01)):
        if not replica.vllm.counters().running:
            break
        await asyncio.sleep(0.01)
    return [
        Check("cancel: requests that still run", 0, replica.vllm.counters().running),
        Check("cancel: the next one is answered", 1, after.tokens),
    ]


async def schema(replica: Replica) -> list[Check]:
    """At any temperature the answer is complete and valid."""
    checks = []
    for seed, temperature in enumerate((0.0, 1.5)):
        sampling = Sampling(300, temperature, seed=seed, json_schema=json.dumps(SCHEMA))
        answer = await replica.ask([new_ids(64), new_ids(8)], "schema", sampling=sampling)
        valid = jsonschema_rs.is_valid(SCHEMA, json.loads(answer.text))
        checks.append(Check(f"schema: valid at temperature {temperature}", True, valid))
    return checks


async def streams(replica: Replica, at_once: int) -> dict[str, Any]:
    """Tokens a second that one and several streams get."""
    sampling = Sampling(64, 0.0, ignore_eos=True)
    alone = await replica.ask([new_ids(64), new_ids(8)], "streams", sampling=sampling)
    prompts = ([new_ids(64), new_ids(8)] for _ in range(at_once))
    together = await asyncio.gather(
        *(replica.ask(prompt, "streams", sampling=sampling) for prompt in prompts)
    )
    slowest_s = max(answer.took_s for answer in together)
    return {
        "streams": at_once,
        "tokens_per_s_alone": round(alone.tokens / alone.took_s, 1),
        "tokens_per_s": round(sum(answer.tokens for answer in together) / slowest_s, 1),
    }

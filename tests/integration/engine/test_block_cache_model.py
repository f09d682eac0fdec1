"""The model of the prefix cache holds the same blocks as vLLM's KV cache manager."""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import pytest

from deployments.core.reuse.block_cache import BlockCacheModel, reusable_blocks

BLOCK_TOKENS = 16
BLOCKS = 60
REQUESTS = 400


class Vllm:
    """vLLM's own cache manager, given one request at a time."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
            import torch
            from vllm.utils.hashing import sha256
            from vllm.v1.core import kv_cache_manager, kv_cache_utils
            from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
        spec = FullAttentionSpec(block_size=BLOCK_TOKENS, num_kv_heads=1, head_size=1, dtype=torch.float32)
        # One block is vLLM's null block.
        config = KVCacheConfig(BLOCKS + 1, [], [KVCacheGroupSpec(["layer"], spec)])
        kv_cache_utils.init_none_hash(sha256)
        self._hasher = kv_cache_utils.get_request_block_hasher(BLOCK_TOKENS, sha256)
        self.manager = kv_cache_manager.KVCacheManager(
            config,
            max_model_len=4096,
            scheduler_block_size=BLOCK_TOKENS,
            hash_block_size=BLOCK_TOKENS,
            enable_kv_cache_events=True,
        )

    def request(self, name: str, prompt: list[int], output: list[int]) -> tuple[list[int], int, list[Any]]:
        """Serves a request. Returns its chain of hashes, the tokens found, and the cache's events."""
        from vllm import SamplingParams
        from vllm.v1.request import Request

        asked = Request(name, prompt, SamplingParams(max_tokens=99), None, block_hasher=self._hasher)
        found, found_tokens, _ = self.manager.get_computed_blocks(asked)
        new_tokens = len(prompt) - found_tokens
        assert self.manager.allocate_slots(asked, new_tokens, found_tokens, found) is not None
        asked.num_computed_tokens = len(prompt)
        for token in output:
            asked.append_output_token_ids(token)
            assert self.manager.allocate_slots(asked, 1) is not None
            asked.num_computed_tokens += 1
        self.manager.free(asked)
        chain = [int.from_bytes(block_hash[-8:], "big") for block_hash in asked.block_hashes]
        return chain, found_tokens, self.manager.take_events()


def _number(block_hash: Any) -> int:
    """The event's form of a hash is its last 8 bytes as a number, by default."""
    return block_hash if isinstance(block_hash, int) else int.from_bytes(block_hash[-8:], "big")


def _wanted(random: Random) -> tuple[list[int], list[int]]:
    """Documents of some blocks from a small set, in any order, and a question that is always new."""
    documents = random.sample(range(9), random.randint(1, 5))
    prompt = [document for document in documents for _ in range(25 + 7 * document)]
    return [*prompt, random.randrange(10**9)], [random.randrange(10**9) for _ in range(random.randint(0, 40))]


@pytest.mark.parametrize("seed", range(3))
def test_the_model_holds_what_vllm_holds(seed: int) -> None:
    """Hits, blocks stored and blocks removed are those of vLLM, request by request."""
    random, vllm, model = Random(seed), Vllm(), BlockCacheModel(BLOCKS)
    evictions = hits = 0
    for number in range(REQUESTS):
        prompt, output = _wanted(random)
        chain, found_tokens, events = vllm.request(str(number), prompt, output)
        tokens = len(prompt) + len(output)
        done = model.admit(chain, reusable_blocks(len(prompt), BLOCK_TOKENS), tokens % BLOCK_TOKENS > 0)
        published: dict[str, list[int]] = {"BlockStored": [], "BlockRemoved": []}
        for event in events:
            published[type(event).__name__] += [_number(block) for block in event.block_hashes]
        assert done.hit_blocks * BLOCK_TOKENS == found_tokens
        assert [*done.stored] == published["BlockStored"]
        assert [*done.evicted] == published["BlockRemoved"]
        evictions += len(done.evicted)
        hits += done.hit_blocks
    assert evictions > REQUESTS
    assert hits > REQUESTS

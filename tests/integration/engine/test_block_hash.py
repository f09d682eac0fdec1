"""Block hashes are those of vLLM's own functions."""

from __future__ import annotations

import warnings
from random import Random

import pytest

from deployments.core.reuse.block_hash import block_hashes
from deployments.core.token_ids import TokenIds, token_ids

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
    from vllm.utils.hashing import sha256_cbor
    from vllm.v1.core import kv_cache_utils


def vllms(ids: TokenIds, block_size: int, salt: str) -> list[int]:
    """As vLLM hashes a request's blocks, and publishes the hashes."""
    kv_cache_utils.init_none_hash(sha256_cbor)
    parent, found = None, []
    for start in range(0, len(ids) - block_size + 1, block_size):
        extra = (("cache_salt", salt),) if start == 0 else None
        block = ids[start : start + block_size].tolist()
        parent = kv_cache_utils.hash_block_tokens(sha256_cbor, parent, block, extra)
        found.append(kv_cache_utils.maybe_convert_block_hash(parent))
    return found


@pytest.mark.parametrize("vocabulary", [24, 49_152, 2**32])
@pytest.mark.parametrize("block_size", [16, 32, 128])
@pytest.mark.parametrize("length", [31, 100, 700])
def test_names_are_vllms(vocabulary: int, block_size: int, length: int) -> None:
    random = Random(length * block_size + vocabulary)
    ids = token_ids(random.randrange(vocabulary) for _ in range(length))
    salt = f"{random.getrandbits(256):064x}"
    assert block_hashes(ids, block_size, salt) == vllms(ids, block_size, salt)


@pytest.mark.parametrize("salt", ["a", "x" * 23, "x" * 24, "ä" * 200])
def test_any_salt_is_hashed_alike(salt: str) -> None:
    ids = token_ids(range(96))
    assert block_hashes(ids, 32, salt) == vllms(ids, 32, salt)


@pytest.mark.parametrize("seed", ["0", "random", "4294967295"])
def test_the_users_hash_seed_begins_the_chain(monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    ids = token_ids(range(96))
    plain = block_hashes(ids, 32, "a")
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert block_hashes(ids, 32, "a", seed=seed) == vllms(ids, 32, "a") != plain

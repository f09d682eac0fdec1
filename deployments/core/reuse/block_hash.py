"""vLLM's hashes of KV blocks: each covers the block's tokens, all tokens before it, and the cache salt.

The hash is `sha256_cbor` of `(parent hash, token ids, extra keys)`; KV events publish its last 64 bits.
Source: vLLM 0.32, `vllm/v1/core/kv_cache_utils.py`. A test compares these hashes with vLLM's own.
"""

from __future__ import annotations

import hashlib

from deployments.core.token_ids import TokenIds

_SEED = "vllm-none-hash"
"""Seed of the first block's parent hash, unless PYTHONHASHSEED is set in the engine's environment."""
_EVENT_BITS = 64


def block_hashes(ids: TokenIds, block_size: int, salt: str, seed: str = _SEED) -> list[int]:
    """The 64-bit hashes of a prompt's full blocks, first to last, as KV events give them."""
    parent = hashlib.sha256(_text(seed)).digest()
    begin, middle = b"\x83" + _head(2, len(parent)), _head(4, block_size)
    extra = b"\x81\x82" + _text("cache_salt") + _text(salt)
    encoded = list(map(_INTEGERS.__getitem__, ids))
    hashes = []
    for start in range(0, len(ids) - block_size + 1, block_size):
        block = encoded[start : start + block_size]
        parent = hashlib.sha256(b"".join((begin, parent, middle, *block, extra))).digest()
        hashes.append(int.from_bytes(parent[-_EVENT_BITS // 8 :], "big"))
        extra = b"\xf6"  # null: only the first block has the salt; the others have it by their parent
    return hashes


# Canonical CBOR (RFC 8949): each value in its shortest form.


def _head(major: int, value: int) -> bytes:
    first = major << 5
    for code, length in ((24, 1), (25, 2), (26, 4)):
        if value < 24:
            return bytes([first | value])
        if value < 1 << 8 * length:
            return bytes([first | code]) + value.to_bytes(length, "big")
    raise ValueError(f"{value} is not a token id")


class _Integers(dict[int, bytes]):
    """The forms of token ids, made when they are first looked up; the vocabulary bounds their number."""

    def __missing__(self, value: int) -> bytes:
        self[value] = encoded = _head(0, value)
        return encoded


_INTEGERS = _Integers()


def _text(value: str) -> bytes:
    raw = value.encode()
    return _head(3, len(raw)) + raw

"""A prompt as a prefix cache sees it: the chain of its KV blocks.

A block's hash is computed from the path of segments, up to the segment in which the block ends, and the
block's index. This is exact also for a block with several segments: two blocks are equal only if all before
them is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.core.reuse.block_cache import reusable_blocks


@dataclass(frozen=True, slots=True)
class Layout:
    """Tokens of a prompt besides the documents, and tokens of a KV block."""

    preamble_tokens: int = 512
    question_tokens: int = 30
    output_tokens: int = 0
    block_tokens: int = 32


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and its output."""

    chain: tuple[int, ...]
    """Hashes of the full blocks."""
    reusable: int
    """How many blocks may be found in a cache."""
    partial: bool
    """Whether a block that is not full follows."""
    documents: int
    """How many blocks end with the last document or before."""
    document_tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Path:
    """A preamble followed by some documents."""

    hash: int
    end_tokens: int
    full_blocks: int
    own_blocks: tuple[int, ...]
    """Hashes of the blocks that end in the last document."""


class Prompts:
    """Makes the prompts of a trace. Numbers name passages and preambles, which all have the same length."""

    def __init__(self, tokens: Mapping[int, int], layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self._tokens = tokens
        self._paths: dict[tuple[int, int], Path] = {}
        self.root = self.start(0)

    def start(self, preamble: int) -> Path:
        """The path of this preamble alone."""
        blocks = self.layout.preamble_tokens // self.layout.block_tokens
        own = tuple(hash((preamble, index)) for index in range(blocks))
        return Path(preamble, self.layout.preamble_tokens, blocks, own)

    def extended(self, path: Path, document: int) -> Path:
        """The path with one more document."""
        key = (path.hash, document)
        longer = self._paths.get(key)
        if longer is None:
            name, end = hash(key), path.end_tokens + self._tokens[document]
            full = end // self.layout.block_tokens
            own = tuple(hash((name, index)) for index in range(path.full_blocks, full))
            longer = self._paths[key] = Path(name, end, full, own)
        return longer

    def prompt(self, documents: Sequence[int], nonce: int, preamble: int = 0) -> Prompt:
        """The whole prompt. `nonce` makes its question unique."""
        size, path = self.layout.block_tokens, self.start(preamble)
        chain = [*path.own_blocks]
        for document in documents:
            path = self.extended(path, document)
            chain += path.own_blocks
        documents_end = len(chain)
        prompt_tokens = path.end_tokens + self.layout.question_tokens
        all_tokens = prompt_tokens + self.layout.output_tokens
        chain += (hash((nonce, path.hash, index)) for index in range(len(chain), all_tokens // size))
        return Prompt(
            chain=tuple(chain),
            reusable=reusable_blocks(prompt_tokens, size),
            partial=all_tokens % size > 0,
            documents=documents_end,
            document_tokens=path.end_tokens - self.root.end_tokens,
            prompt_tokens=prompt_tokens,
        )

    def hit_tokens(self, prompt: Prompt, hit_blocks: int) -> int:
        """Document tokens in the first `hit_blocks` blocks."""
        found = hit_blocks * self.layout.block_tokens - self.layout.preamble_tokens
        return min(max(found, 0), prompt.document_tokens)

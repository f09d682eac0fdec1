"""A prompt as the chain of its KV blocks: what a prefix cache sees of it.

A block's hash is made of the path of segments up to the one that the block ends in, and the block's index.
That is exact also where a block lies across segments: it equals another only if all before it is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.core.reuse.block_cache import reusable_blocks


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands around the documents, in tokens, and the size of a KV block."""

    preamble_tokens: int = 512
    question_tokens: int = 30
    output_tokens: int = 0
    block_tokens: int = 32


@dataclass(frozen=True, slots=True)
class Prompt:
    """Full blocks of a prompt and its output, and how many of them may be found in a cache."""

    chain: tuple[int, ...]
    reusable: int
    partial: bool
    document_tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Path:
    """A preamble and some documents: their hash, where they end, the full blocks up to there, and
    the hashes of those that end in the last document.
    """

    hash: int
    end_tokens: int
    full_blocks: int
    own_blocks: tuple[int, ...]


class Prompts:
    """Chains for one trace. Documents are passages by their ids; the preamble is the same for all."""

    def __init__(self, tokens: Mapping[int, int], layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self._tokens = tokens
        self._paths: dict[tuple[int, int], Path] = {}
        blocks = self.layout.preamble_tokens // self.layout.block_tokens
        own = tuple(hash((0, index)) for index in range(blocks))
        self.root = Path(0, self.layout.preamble_tokens, blocks, own)

    def behind(self, path: Path, document: int) -> Path:
        """The path with one document more."""
        key = (path.hash, document)
        longer = self._paths.get(key)
        if longer is None:
            name, end = hash(key), path.end_tokens + self._tokens[document]
            full = end // self.layout.block_tokens
            own = tuple(hash((name, index)) for index in range(path.full_blocks, full))
            longer = self._paths[key] = Path(name, end, full, own)
        return longer

    def prompt(self, documents: Sequence[int], nonce: int) -> Prompt:
        """The whole prompt. `nonce` tells its question from all others."""
        size, path = self.layout.block_tokens, self.root
        chain = [*path.own_blocks]
        for document in documents:
            path = self.behind(path, document)
            chain += path.own_blocks
        prompt_tokens = path.end_tokens + self.layout.question_tokens
        all_tokens = prompt_tokens + self.layout.output_tokens
        chain += (hash((nonce, path.hash, index)) for index in range(len(chain), all_tokens // size))
        return Prompt(
            chain=tuple(chain),
            reusable=reusable_blocks(prompt_tokens, size),
            partial=all_tokens % size > 0,
            document_tokens=path.end_tokens - self.root.end_tokens,
            prompt_tokens=prompt_tokens,
        )

    def hit_tokens(self, prompt: Prompt, hit_blocks: int) -> int:
        """Document tokens among the leading blocks that were found."""
        found = hit_blocks * self.layout.block_tokens - self.layout.preamble_tokens
        return min(max(found, 0), prompt.document_tokens)

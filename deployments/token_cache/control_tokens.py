"""Taking the control tokens out of a tokenizer, so that no text can spell one.

A fast tokenizer first looks for its added tokens (`<|im_end|>`, `<tool_call>`), in any text. Its option
for untrusted text only ignores those that are marked special. So the tokenizer for untrusted text is
built from a serialisation without any of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployments.core.errors import TokenizerRefused

METASPACE = "\u2581"
"""The character that SentencePiece-like vocabularies use for a space."""


@dataclass(frozen=True, slots=True)
class ControlToken:
    """An added token that is not only white space."""

    id: int
    content: str
    """The text that spells the token."""
    lstrip: bool
    """Whether the token includes the white space before it."""
    rstrip: bool
    """Whether the token includes the white space after it."""


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """A tokenizer without control tokens, and the tokens that were removed."""

    tokenizer_json: str
    """The serialisation without control tokens."""
    control_tokens: tuple[ControlToken, ...]
    """The added tokens that were removed."""
    blank_tokens: dict[int, str]
    """The added tokens that were kept, by id. They spell only white space and control nothing: some
    vocabularies (Gemma, GPT-NeoX) add runs of white space to compress source code."""


def without_control_tokens(tokenizer_json: str) -> TextTokenizer:
    """Removes all added tokens, special or not, except those that spell only white space.

    Also removes their entries in a BPE vocabulary, and the merges through which text could still reach
    them. Removes truncation, padding and the post-processor too, and the blank that a tokenizer puts
    before the first word of a text, because a segment is in the middle of a prompt.

    Raises TokenizerRefused when the serialisation cannot be read.
    """
    try:
        spec: dict[str, Any] = json.loads(tokenizer_json)
        added = spec["added_tokens"]
        controls = tuple(
            ControlToken(token["id"], token["content"], token["lstrip"], token["rstrip"])
            for token in added
            if not _is_blank(token["content"])
        )
        blanks = {token["id"]: token["content"] for token in added if _is_blank(token["content"])}
        if spec["model"]["type"] == "BPE":
            _remove_ids(spec["model"], {token.id for token in controls})
            # On loading, the library gives new ids to added tokens that are not in the vocabulary.
            spec["model"]["vocab"] |= {content: id_ for id_, content in blanks.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise TokenizerRefused(f"the tokenizer's serialisation cannot be read: {error!r}") from error
    spec["added_tokens"] = [token for token in added if token["id"] in blanks]
    for node in _pre_tokenizers(spec.get("pre_tokenizer")):
        if node.get("prepend_scheme") == "first":
            node["prepend_scheme"] = "never"
    spec |= {"truncation": None, "padding": None, "post_processor": None}
    return TextTokenizer(json.dumps(spec, ensure_ascii=False), controls, blanks)


def _remove_ids(bpe: dict[str, Any], ids: set[int]) -> None:
    """Removes ids from a BPE vocabulary, and the merges that make or use them."""
    vocab = {token: id_ for token, id_ in bpe["vocab"].items() if id_ not in ids}
    merges = (merge.split(" ", 1) if isinstance(merge, str) else merge for merge in bpe["merges"])
    prefix = len(bpe.get("continuing_subword_prefix") or "")
    bpe["merges"] = [
        [left, right]
        for left, right in merges
        if left in vocab and right in vocab and left + right[prefix:] in vocab
    ]
    bpe["vocab"] = vocab
    if bpe.get("unk_token") not in vocab:
        bpe["unk_token"] = None


def _pre_tokenizers(node: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if node is not None:
        yield node
        for child in node.get("pretokenizers", ()):
            yield from _pre_tokenizers(child)


def _is_blank(content: str) -> bool:
    return not content.replace(METASPACE, " ").strip()

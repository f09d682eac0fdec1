"""Taking the control tokens out of a tokenizer, so that no text can spell one.

A fast tokenizer looks for its added tokens (`<|im_end|>`, `<tool_call>`) before anything else, in
whatever text it is given; marking text as untrusted leaves those that are not "special". So the
tokenizer that reads untrusted text is built from a serialisation in which they do not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployments.core.errors import TokenizerRefused

METASPACE = "\u2581"
"""How SentencePiece-like vocabularies write a space."""


@dataclass(frozen=True, slots=True)
class ControlToken:
    """An added token. `lstrip` and `rstrip`: it swallows the white space before or behind it."""

    id: int
    content: str
    lstrip: bool
    rstrip: bool


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """A tokenizer's serialisation without control tokens, and what was taken out.

    `blank_tokens` are the added tokens left in, by id: they only spell white space. Some vocabularies
    (Gemma, GPT-NeoX) add runs of it to compress source code; these stand for the same characters in
    whatever text, so they control nothing.
    """

    tokenizer_json: str
    control_tokens: tuple[ControlToken, ...]
    blank_tokens: dict[int, str]


def without_control_tokens(tokenizer_json: str) -> TextTokenizer:
    """Takes out all added tokens, special or not, that do not only spell white space.

    With them go their entries in a BPE vocabulary and the merges through which text could still reach
    these. Truncation, padding and the post-processor go too, and the blank that a tokenizer puts before
    a text's first word: a segment stands in the middle of a prompt.

    Raises: TokenizerRefused when the serialisation is not one that can be read.
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
            _forget(spec["model"], {token.id for token in controls})
            # Added tokens outside the vocabulary are numbered anew when they are loaded.
            spec["model"]["vocab"] |= {content: id_ for id_, content in blanks.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise TokenizerRefused(f"the tokenizer's serialisation cannot be read: {error!r}") from error
    spec["added_tokens"] = [token for token in added if token["id"] in blanks]
    for node in _pre_tokenizers(spec.get("pre_tokenizer")):
        if node.get("prepend_scheme") == "first":
            node["prepend_scheme"] = "never"
    spec |= {"truncation": None, "padding": None, "post_processor": None}
    return TextTokenizer(json.dumps(spec, ensure_ascii=False), controls, blanks)


def _forget(bpe: dict[str, Any], ids: set[int]) -> None:
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

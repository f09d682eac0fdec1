"""Small tokenizers of the families that chat models use, trained in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from deployments.core.ids import Fingerprint
from deployments.core.messages import ChatScaffold, TokenizerBundle
from deployments.token_cache.encoder import BundleEncoder

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOOLS = ["<tool_call>", "</tool_call>"]
CHATML = ChatScaffold(
    head="<|im_start|>system\n",
    to_user="<|im_end|>\n<|im_start|>user\n",
    to_assistant="<|im_end|>\n<|im_start|>assistant\n",
    next_user="<|im_end|>\n<|im_start|>user\n",
    to_generation="<|im_end|>\n<|im_start|>assistant\n",
)
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "Click **Save**. It closes.\n\n### Passwords > Steps\n1. Open the link.\n2. Choose a new one!\n\n",
    "system user assistant tool_call im_start im_end: the link expires after 60 minutes.\n\n",
    "def f():\n    return 'it''s' # don't, we'll, they're\n\n\nThe answer is:\n\n### A\n",
    "Der Schlüssel läuft nach 60 Minuten ab. 重置密码的链接。パスワード\n\n",
] * 20
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def bundle_of(tokenizer: Tokenizer, scaffold: ChatScaffold = CHATML) -> TokenizerBundle:
    return TokenizerBundle(
        tokenizer_json=tokenizer.to_str(),
        scaffold=scaffold,
        fingerprint=Fingerprint("synthetic"),
        vocab_size=max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1,
    )


def encoder_of(tokenizer: Tokenizer) -> BundleEncoder:
    return BundleEncoder(bundle_of(tokenizer))


@lru_cache
def gpt2_like(add_prefix_space: bool = False) -> Tokenizer:
    """Byte-level BPE with GPT-2's split, as SmolLM2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    return _trained_bytes(tokenizer)


@lru_cache
def llama3_like(ignore_merges: bool = True, normalizer: str | None = None) -> Tokenizer:
    """Byte-level BPE with the split of Llama 3 and Qwen: a `.` includes the line ends after it."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = getattr(normalizers, normalizer)()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return _trained_bytes(tokenizer)


@lru_cache
def metaspace_bpe(prepend_scheme: str = "first", byte_fallback: bool = True) -> Tokenizer:
    """BPE over characters with byte fallback and U+2581 for blanks, as Llama 2, Mistral and Phi-3."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme, split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    specials = ["<unk>", *CONTROLS]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=specials + BYTES, show_progress=False, min_frequency=2
    )
    # SentencePiece reads one line at a time, so such a vocabulary has no line end.
    tokenizer.train_from_iterator([line for text in CORPUS for line in text.splitlines()], trainer)
    return _with_added(tokenizer, specials)


@lru_cache
def metaspace_unigram() -> Tokenizer:
    """Unigram, whose vocabulary holds the control tokens as pieces that text can reach."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<unk>", *CONTROLS], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _trained_bytes(tokenizer: Tokenizer) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=CONTROLS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _with_added(tokenizer, CONTROLS)


def _with_added(tokenizer: Tokenizer, specials: Sequence[str]) -> Tokenizer:
    """Adds the control tokens as special tokens, and the tools' tokens as tokens that are not special."""
    reread = Tokenizer.from_str(_without_added(tokenizer.to_str()))
    reread.add_special_tokens([AddedToken(token, special=True) for token in specials])
    reread.add_tokens([AddedToken(token, special=False, normalized=False) for token in TOOLS])
    return reread


def _without_added(tokenizer_json: str) -> str:
    return json.dumps(json.loads(tokenizer_json) | {"added_tokens": []})

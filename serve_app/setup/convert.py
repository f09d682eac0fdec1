"""Turns a GGUF model into the folder that vLLM serves: configuration, weights, tokenizer, chat template.

    python -m serve_app.setup.convert FILE.gguf FOLDER bfloat16|int8

Set-up runs it in a separate process, so that the memory of torch and transformers is freed at its end.
It prints a line for each step.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

from serve_app.setup.weights import INT8_CONFIG, Form, GgufWeights, write_weights

QUESTION = "Which of these?\n\n1. Red\n\n2. Blue"
"""A text for `check`, with a digit after a blank line (see `_split_digits`)."""


def main() -> None:
    source, target, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if form not in get_args(Form):
        sys.exit(f"{form} is no form of weights; there are: {', '.join(get_args(Form))}")
    target.mkdir()
    convert_tokenizer(source, target)
    convert_model(source, target, form)  # type: ignore[arg-type]  # it is one of them
    check(target)


def convert_tokenizer(source: Path, target: Path) -> None:
    """Writes the tokenizer with its chat template."""
    print("reading the tokenizer and its chat template", flush=True)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    if "smollm" in source.name.lower():
        _split_digits(tokenizer)
    tokenizer.save_pretrained(target)


def _split_digits(tokenizer: Any) -> None:
    """Makes the pre-tokenizer split single digits, as SmolLM2 was trained.

    Its GGUF file names the pre-tokenizer `smollm`: single digits first, then GPT-2's words. transformers
    reads the words only, and would tokenize a blank line before a digit differently.
    """
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def convert_model(source: Path, target: Path, form: Form) -> None:
    """Writes configuration and weights in this form."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    print("reading the configuration", flush=True)
    config = AutoConfig.from_pretrained(source.parent, gguf_file=source.name)
    weights = GgufWeights(source, config)
    # Embedding and output are one matrix, which GGUF files do not say; a copy would take 470 MB of
    # memory.
    config.tie_word_embeddings = True
    config.dtype = torch.bfloat16
    with torch.device("meta"):
        names = [
            name for name in AutoModelForCausalLM.from_config(config).state_dict() if name != "lm_head.weight"
        ]
    print(f"converting {len(names)} tensors to {form}", flush=True)
    write_weights(weights, names, target, form)
    if form == "int8":
        config.quantization_config = INT8_CONFIG
    config.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(target)
    # Generation ends where the chat template ends a turn; GGUF files do not always say so.
    GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    ).save_pretrained(target)


def check(target: Path) -> None:
    """Raises ValueError if the converted tokenizer does not encode and decode its own chat template."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    print("checking", flush=True)
    fast = Tokenizer.from_file(str(target / "tokenizer.json"))
    slow = AutoTokenizer.from_pretrained(target)
    turns = [{"role": "user", "content": QUESTION}]
    text = slow.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = fast.encode(text, add_special_tokens=False).ids
    blank_line_before_digit = fast.encode("\n\n1", add_special_tokens=False).tokens
    readable = slow.eos_token_id in ids and fast.decode(ids, skip_special_tokens=False) == text
    if not readable or len(blank_line_before_digit) != 2:
        raise ValueError(f"the converted tokenizer in {target} does not read its own chat template")


if __name__ == "__main__":
    main()

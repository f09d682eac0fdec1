"""Turns a GGUF model into the folder that vLLM serves: weights in bfloat16, tokenizer, template.

    python -m serve_app.setup.convert FILE.gguf FOLDER

A process of its own, so that what torch and transformers take is given back when it ends. It prints a
line a step.
"""

from __future__ import annotations

import sys
from pathlib import Path

QUESTION = "Which of these?\n\n1. Red\n\n2. Blue"


def main() -> None:
    source, target = (Path(argument) for argument in sys.argv[1:3])
    convert(source, target)
    check(target)


def convert(source: Path, target: Path) -> None:
    """Writes `target`, which must not exist. Nothing in it is complete until this returns."""
    print("loading the converter", flush=True)
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    print("reading the tokenizer and its chat template", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The file names its pre-tokenizer, `smollm`: single digits first, then GPT-2's words. transformers
    # reads the words only, and would tokenize a blank line before a digit unlike the model's training.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    print("reading and dequantizing the weights", flush=True)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    tokenizer.model_max_length = model.config.max_position_embeddings
    # Generation ends where the chat template ends a turn; GGUF files do not always say so.
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    print("writing", flush=True)
    target.mkdir()
    tokenizer.save_pretrained(target)
    model.save_pretrained(target)


def check(target: Path) -> None:
    """What the application reads can be read, and the template's control tokens are tokens."""
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

"""Refuses texts that can't fit into a prompt, before all of them are tokenized."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized

from deployments.core.errors import PromptTooLong

_PIECE_CHARS = 4_096
_SURELY = 1.25
"""How many times the model's tokens are surely too many. A text that is cut into pieces has a few tokens
more than the whole one."""


def check_length(texts: Iterable[str], encode: Callable[[str], Sized], max_model_len: int) -> None:
    """Counts tokens by pieces, and stops as soon as they are too many. Raises PromptTooLong.

    A request may bring 200,000 characters. To tokenize all of them takes up to 0.4 s, in which no other
    request of the process goes on. Short texts are not counted: tokenizing them is cheap.
    """
    found = [text for text in texts if text]
    if sum(map(len, found)) <= max_model_len:
        return
    limit, tokens = int(_SURELY * max_model_len), 0
    for text in found:
        for start in range(0, len(text), _PIECE_CHARS):
            tokens += len(encode(text[start : start + _PIECE_CHARS]))
            if tokens > limit:
                raise PromptTooLong(
                    f"the question and what comes with it have more than {limit} tokens, and the model takes "
                    f"{max_model_len} with the answer: leave out the oldest messages",
                    "query",
                )

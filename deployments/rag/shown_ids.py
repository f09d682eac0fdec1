"""The ids of an answer as the next turn's prompt repeats it."""

from __future__ import annotations

from bisect import bisect_right

from deployments.core.ports import TextEncoder
from deployments.core.token_ids import TokenIds, join

_CHARACTER_TOKENS = 4
"""Most tokens of one character: its bytes in UTF-8."""


def shown_ids(sampled: TokenIds, text: str, encoder: TextEncoder) -> TokenIds:
    """The sampled ids as far as they spell `text`, which the caller read, then the ids of the rest of it.

    Usually all sampled ids but the one that ends the turn. A stop string is not in the text, and a limit of
    tokens can cut a character in two. A control token in the middle of an answer must not begin a turn in
    the next prompt, so sampled ids count up to the first one only.
    """
    controls = frozenset(encoder.control_ids.values())
    end = next((at for at, token in enumerate(sampled) if token in controls), len(sampled))
    ids = sampled[:end]
    if encoder.decode(ids) == text:
        return ids
    longest = bisect_right(range(end + 1), len(text), key=lambda count: len(encoder.decode(ids[:count]))) - 1
    for count in range(longest, max(longest - _CHARACTER_TOKENS, 0), -1):
        decoded = encoder.decode(ids[:count])
        if text.startswith(decoded):
            return join([ids[:count], encoder.encode_text(text[len(decoded) :])])
    return encoder.encode_text(text)

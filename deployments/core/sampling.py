"""How the engine samples an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shaping:
    """Changes of the model's probabilities before a token is drawn. The defaults change nothing."""

    top_k: int = 0
    """Draw from this many most probable tokens only; 0 is from all."""
    min_p: float = 0.0
    """Minimum probability of a token, as a share (0 to 1) of the most probable one's."""
    repetition_penalty: float = 1.0
    """Above 1, tokens that prompt or answer have become less probable; below 1, more."""
    presence_penalty: float = 0.0
    """Subtracted once from the logit of each token that the answer has."""
    frequency_penalty: float = 0.0
    """The same, for each time that the answer has the token."""


UNSHAPED = Shaping()
"""The model's own probabilities."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample an answer."""

    max_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """Texts that end the answer."""
    json_schema: str | None = None
    """As JSON. The engine samples only tokens that keep the answer valid under it. An answer that
    `max_tokens` cuts off is still incomplete JSON."""
    ignore_eos: bool = False
    """Generate `max_tokens` tokens even if the model ends its answer earlier."""
    shaping: Shaping = UNSHAPED

"""Which prompts to prefill before they are asked for: most wanted first, within a budget, each token once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from deployments.core.reuse.paths import SegmentId, Step, pack_steps
from deployments.core.token_ids import TokenIds, join, to_bytes


@dataclass(frozen=True, slots=True)
class WarmPrompt:
    """How prompts under this salt begin: segments by name, with their ids."""

    salt: str
    segments: tuple[tuple[SegmentId, TokenIds], ...]

    @property
    def tokens(self) -> int:
        """Its length."""
        return sum(len(ids) for _, ids in self.segments)

    @property
    def prompt(self) -> bytes:
        """As in a `GenerateRequest`."""
        return to_bytes(join(ids for _, ids in self.segments))

    @property
    def layout(self) -> bytes:
        """As in a `GenerateRequest`."""
        return pack_steps([Step(name, len(ids)) for name, ids in self.segments])


_Path: TypeAlias = tuple[str | SegmentId, ...]
"""A salt and the names of segments."""


def plan(wanted: Sequence[WarmPrompt], budget_tokens: int, max_prompt_tokens: int) -> list[WarmPrompt]:
    """What to prefill of `wanted`, which names the most wanted first.

    A prompt is cut, in whole segments, to what the model and the budget allow. What several begin with counts
    once, and of two prompts of which one continues the other only the longer is left, in the place of the
    first of them.
    """
    covered: set[_Path] = set()
    planned: dict[_Path, WarmPrompt] = {}
    left = budget_tokens
    for whole in wanted:
        taken, length = 0, 0
        for path, ids in _beginnings(whole):
            length += len(ids)
            cost = 0 if path in covered else len(ids)
            if length > max_prompt_tokens or cost > left:
                break
            left -= cost
            covered.add(path)
            taken += 1
        if taken:
            planned = _with(planned, WarmPrompt(whole.salt, whole.segments[:taken]))
    return list(planned.values())


def _beginnings(prompt: WarmPrompt) -> Iterator[tuple[_Path, TokenIds]]:
    """Each path that it runs through, and the ids of its last segment."""
    path: _Path = (prompt.salt,)
    for name, ids in prompt.segments:
        path = (*path, name)
        yield path, ids


def _with(planned: dict[_Path, WarmPrompt], prompt: WarmPrompt) -> dict[_Path, WarmPrompt]:
    """`planned`, which holds no two prompts of which one continues the other, and one more."""
    path = tuple(path for path, _ in _beginnings(prompt))[-1]
    if any(other[: len(path)] == path for other in planned):
        return planned
    shorter = next((other for other in planned if path[: len(other)] == other), None)
    if shorter is None:
        return planned | {path: prompt}
    return {path if one == shorter else one: prompt if one == shorter else p for one, p in planned.items()}

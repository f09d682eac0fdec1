"""What to repeat around each part of something that is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployments.knowledge.cutting.outline import Frame


@dataclass(frozen=True, slots=True)
class Repeated:
    """What a cut at one place makes its two sides repeat."""

    opening: str = ""
    """The text to put before what follows the cut."""
    closing: str = ""
    """The text to put after what precedes the cut."""
    opening_tokens: int = 0
    closing_tokens: int = 0


def repeated_at(
    frames: Sequence[Frame], offsets: Iterable[int], count_tokens: Callable[[str], int], most: int
) -> list[Repeated]:
    """Returns what a cut at each of the ascending offsets makes repeat, in at most `most` tokens.

    If there is more, the outermost frames are left out.
    """
    measured = _Measured(count_tokens, most)
    found: list[Repeated] = []
    around: list[Frame] = []
    following = 0
    for offset in offsets:
        around = [frame for frame in around if frame.end > offset]
        while following < len(frames) and frames[following].start <= offset:
            if frames[following].end > offset:
                around.append(frames[following])
            following += 1
        found.append(measured.repeated(around) if around else _NOTHING)
    return found


_NOTHING = Repeated()
_MAX_TOKEN_CHARS = 16
"""A longer text per token would be unusual: it is not measured, but taken for too long."""


class _Measured:
    """Measures each frame once."""

    def __init__(self, count_tokens: Callable[[str], int], most: int) -> None:
        self._count_tokens = count_tokens
        self._most = most
        self._sizes: dict[int, tuple[int, int]] = {}

    def repeated(self, around: Sequence[Frame]) -> Repeated:
        """Joins frames, given from the outermost to the innermost."""
        opening = closing = ""
        opening_tokens = closing_tokens = 0
        for frame in reversed(around):
            first, last = self._size(frame)
            opening_tokens += first
            closing_tokens += last
            if opening_tokens + closing_tokens > self._most:
                opening_tokens -= first
                closing_tokens -= last
                break
            opening = frame.opening + opening
            closing += frame.closing
        return Repeated(opening, closing, opening_tokens, closing_tokens)

    def _size(self, frame: Frame) -> tuple[int, int]:
        known = self._sizes.get(id(frame))
        if known is None:
            if len(frame.opening) > self._most * _MAX_TOKEN_CHARS:
                known = (self._most + 1, 0)
            else:
                known = (self._count_tokens(frame.opening), self._count_tokens(frame.closing))
            self._sizes[id(frame)] = known
        return known

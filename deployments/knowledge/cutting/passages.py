"""Chooses where to cut a document into passages: the cuts that cost least together.

As TeX breaks a paragraph into lines, dynamic programming looks at all ways to cut. It weighs how much
each cut takes apart, whether a passage is too short to say anything, and whether it mixes topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from deployments.knowledge.cutting.atoms import Atom

TOO_SHORT = 10.0
"""The cost of an empty passage; it falls to 0 as the passage grows."""
MIXED = 3.0
"""The cost of a passage that contains a better place to cut than where it starts or ends: the end of one
section and the start of the next, for example."""
MAX_ATOMS = 64
"""Atoms of one passage."""


def passage_starts(
    atoms: Sequence[Atom], rooms: Sequence[int], closings: Sequence[int], enough: int
) -> list[int]:
    """Returns the index of each passage's first atom.

    A passage of atoms[i:j] has at most `rooms[i]` tokens, of which `closings[j]` are taken (it has one
    more entry than there are atoms), unless it is a single atom. One of `enough` tokens is not too short.
    The time is linear in the number of atoms.
    """
    totals = [0, *accumulate(atom.tokens for atom in atoms)]
    ranks = [0, *(atom.cut.rank for atom in atoms[1:]), 0]
    widest = max(rooms, default=0)
    best = [0.0]
    before = [0]
    for end in range(1, len(atoms) + 1):
        room = widest - closings[end]
        least, chosen = float("inf"), end - 1
        inner = ranks[end - 1] + ranks[end]  # no passage of one atom mixes anything
        for start in range(end - 1, max(end - 1 - MAX_ATOMS, -1), -1):
            tokens = totals[end] - totals[start]
            single = start == end - 1
            if tokens > room and not single:
                break
            if single or tokens + closings[end] <= rooms[start]:
                cost = best[start] + TOO_SHORT * max(1 - tokens / enough, 0) ** 2
                if not single and inner < max(ranks[start], ranks[end]):
                    cost += MIXED
                if cost < least:
                    least, chosen = cost, start
            inner = ranks[start] if single else min(inner, ranks[start])
        best.append(least + (atoms[end].cut.cost if end < len(atoms) else 0.0))
        before.append(chosen)
    starts: list[int] = []
    end = len(atoms)
    while end:
        end = before[end]
        starts.append(end)
    return starts[::-1]

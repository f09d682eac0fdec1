"""Passages are the cheapest of all ways to cut."""

from __future__ import annotations

import time
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.cutting import cuts
from deployments.knowledge.cutting.atoms import Atom
from deployments.knowledge.cutting.cuts import Cut
from deployments.knowledge.cutting.passages import MIXED, TOO_SHORT, passage_starts

CUTS = [
    cuts.SENTENCE,
    cuts.WORD,
    cuts.INTRODUCED,
    cuts.AFTER_HEADING,
    cuts.before_block(0),
    cuts.before_block(2),
]
CUT = st.sampled_from([*CUTS, *map(cuts.before_section, range(1, 7))])
ATOMS = st.lists(st.builds(Atom, st.just(0), st.integers(0, 30), CUT), min_size=1, max_size=9)
ENOUGH = 16


def cost(atoms: list[Atom], starts: tuple[int, ...], room: int) -> float:
    """The cost as the module documents it, computed for one way to cut."""
    ranks = [0, *(atom.cut.rank for atom in atoms[1:]), 0]
    total = sum(atoms[start].cut.cost for start in starts[1:])
    for start, end in pairwise((*starts, len(atoms))):
        tokens = sum(atom.tokens for atom in atoms[start:end])
        if tokens > room and end - start > 1:
            return float("inf")
        total += TOO_SHORT * max(1 - tokens / ENOUGH, 0) ** 2
        if end - start > 1 and min(ranks[start + 1 : end]) < max(ranks[start], ranks[end]):
            total += MIXED
    return total


@given(ATOMS, st.integers(1, 64))
def test_no_other_way_to_cut_costs_less(atoms: list[Atom], room: int) -> None:
    chosen = passage_starts(atoms, [room] * len(atoms), [0] * (len(atoms) + 1), ENOUGH)
    ways = [(0, *inner) for count in range(len(atoms)) for inner in combinations(range(1, len(atoms)), count)]
    assert tuple(chosen) in ways
    assert cost(atoms, tuple(chosen), room) <= min(cost(atoms, way, room) for way in ways) + 1e-9


@given(ATOMS, st.data())
def test_a_passage_fits_with_what_it_repeats(atoms: list[Atom], data: st.DataObject) -> None:
    count = len(atoms)
    rooms = data.draw(st.lists(st.integers(8, 64), min_size=count, max_size=count))
    closings = [*data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), 0]
    starts = passage_starts(atoms, rooms, closings, ENOUGH)
    for start, end in pairwise((*starts, count)):
        tokens = sum(atom.tokens for atom in atoms[start:end])
        assert end - start == 1 or tokens + closings[end] <= rooms[start]


def test_no_atoms_make_no_passage() -> None:
    assert passage_starts([], [], [0], ENOUGH) == []


def test_many_small_atoms_take_linear_time() -> None:
    atoms = [Atom(n, 0, Cut(cuts.BLOCK_RANK, 4)) for n in range(20_000)]
    started_s = time.process_time()
    passage_starts(atoms, [256] * len(atoms), [0] * (len(atoms) + 1), 64)
    assert time.process_time() - started_s < 5

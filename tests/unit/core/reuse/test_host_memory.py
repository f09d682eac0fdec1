"""Blocks that an engine keeps in host memory are found, at a price."""

from __future__ import annotations

from random import Random

import pytest

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import ORDERS, Candidate
from deployments.core.reuse.paths import ROOT, Change, ResidencyUpdate, node_id, pack_changes, segment_id
from deployments.core.reuse.placing import ReplicaState, place
from deployments.core.reuse.replica_view import LOADED_PER_TOKEN, ReplicaView, ResidentPath
from deployments.core.reuse.residency import Residency
from tests.unit.core.reuse.library import BLOCK, Library, Prompt

LIBRARY = Library([8], [8, 8, 8])
PROMPT = LIBRARY.prompt("a", 0, [0, 1])
"""Six blocks: two of the head, two of each document; then a question."""


def residency(name: str = "one") -> Residency:
    return Residency(name, "e", BLOCK, 100, lambda: 0.0)


def served(prompt: Prompt = PROMPT) -> Residency:
    """The residency after a prompt was prefilled."""
    one = residency()
    one.stored(prompt.hashes)
    one.served(prompt.salt, prompt.steps, prompt.hashes)
    return one


def path(one: Residency, *documents: int) -> ResidentPath:
    view = ReplicaView("one")
    view.apply(one.update_for("a", None, 0))
    wanted = [LIBRARY.segment(number) for number in documents]
    along = view.path_along(LIBRARY.head_segment(0), wanted)
    assert view.longest_path(LIBRARY.head_segment(0), wanted) == along
    return along


def test_an_evicted_block_is_resident_while_host_memory_has_it() -> None:
    one = served()
    one.stored_in_host(PROMPT.hashes)
    assert path(one, 0, 1).loaded_tokens == 0, "what both have is not loaded"
    one.removed(PROMPT.hashes[3:])
    assert path(one, 0, 1) == ResidentPath((LIBRARY.segment(0), LIBRARY.segment(1)), 6 * BLOCK, 3 * BLOCK)
    assert one.leading(PROMPT.hashes) == len(PROMPT.hashes)
    one.removed_from_host(PROMPT.hashes[3:])
    assert path(one, 0, 1) == ResidentPath((LIBRARY.segment(0),), 3 * BLOCK)


def test_a_block_that_was_loaded_again_costs_nothing() -> None:
    one = served()
    one.stored_in_host(PROMPT.hashes)
    one.removed(PROMPT.hashes)
    one.stored(PROMPT.hashes[:4])
    assert path(one, 0, 1).loaded_tokens == 2 * BLOCK


def test_what_is_known_of_host_memory_is_dropped_when_events_are_lost() -> None:
    one = served()
    one.stored_in_host(PROMPT.hashes)
    one.removed(PROMPT.hashes[4:])
    one.forget_host()
    assert path(one, 0, 1) == ResidentPath((LIBRARY.segment(0),), 4 * BLOCK)


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_of_changes_knows_what_a_new_reader_knows(seed: int) -> None:
    """Blocks come and go in both memories, in any order."""
    rng, one, view = Random(seed), residency(), ReplicaView("one")
    prompts = [LIBRARY.prompt("a", 0, rng.sample(range(3), 2)) for _ in range(4)]
    for prompt in prompts:
        one.stored(prompt.hashes)
        one.served("a", prompt.steps, prompt.hashes)
    own = {block for prompt in prompts for block in prompt.hashes}
    blocks, host = sorted(own), set[int]()
    for _ in range(80):
        some = rng.sample(blocks, 3)
        change, held, now = rng.choice(
            [
                (one.stored, own, True),
                (one.removed, own, False),
                (one.stored_in_host, host, True),
                (one.removed_from_host, host, False),
            ]
        )
        change(some)
        held.update(some) if now else held.difference_update(some)
        view.apply(one.update_for("a", view.known, 0))
        fresh = ReplicaView("one")
        fresh.apply(one.update_for("a", None, 0))
        for prompt in prompts:
            head, *segments = (step.segment for step in prompt.steps)
            found = view.path_along(head, segments)
            assert found == fresh.path_along(head, segments)
            reached = prompt.hashes[: found.cached_tokens // BLOCK]
            assert all(block in own or block in host for block in reached)
            assert found.loaded_tokens == BLOCK * sum(block not in own for block in reached)


def test_a_replica_that_has_to_load_costs_more_than_one_that_has_not() -> None:
    """And less than one that has to prefill."""
    key, head = SegmentKey("ab" * 24), LIBRARY.head_segment(0)
    node = node_id(ROOT, head)
    states = []
    for name, cached_to, loaded in (("loads", 480, 400), ("has", 480, 0), ("lacks", 80, 0)):
        changes = [Change(node, ROOT, head, 80)]
        if cached_to > 80:
            changes.append(Change(node_id(node, segment_id(key)), node, segment_id(key), cached_to, loaded))
        view = ReplicaView(name)
        view.apply(ResidencyUpdate(name, "e", None, len(changes), pack_changes(changes), 0))
        states.append(ReplicaState(view, 0))
    placing = place([Candidate(key, 400)], head, 500, states, order=ORDERS["trie"], rng=Random(0))
    assert placing.replicas == ("has", "loads", "lacks")
    assert ResidentPath((), 480, 400).saved_tokens == 480 - 400 // LOADED_PER_TOKEN

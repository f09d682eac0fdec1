"""Engine, events, residency and readers' views together, against what the engine really holds."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from deployments.core.reuse.paths import ROOT, ResidencyUpdate
from deployments.core.reuse.replica_view import ReplicaView
from tests.unit.core.reuse.engine import Engine
from tests.unit.core.reuse.library import DOCUMENTS, HEADS, Library

SALTS = ("one", "two")
salts = st.sampled_from(SALTS)
heads = st.integers(0, HEADS - 1)
document_sets = st.lists(st.integers(0, DOCUMENTS - 1), max_size=4, unique=True)


def contents(view: ReplicaView) -> dict[int, tuple[int, int, int]]:
    """All that a view knows."""
    return {name: (node.parent, node.segment, node.cached_to) for name, node in view._nodes.items()}


def snapshot(engine: Engine, salt: str) -> ReplicaView:
    """The tree that a new reader gets."""
    view = ReplicaView("r1")
    view.apply(engine.residency.update_for(salt, None, 0))
    return view


class Reader:
    """A view that asks again and again, and the answers still on their way to it."""

    def __init__(self, salt: str) -> None:
        self.salt = salt
        self.view = ReplicaView("r1")
        self.underway: list[ResidencyUpdate] = []


class Following(RuleBasedStateMachine):
    """Two tenants with the same documents in one small engine, and readers of both."""

    @initialize(
        capacity_blocks=st.integers(3, 40),
        lengths=st.lists(st.integers(1, 9), min_size=HEADS + DOCUMENTS, max_size=HEADS + DOCUMENTS),
        alike=st.booleans(),
    )
    def start(self, capacity_blocks: int, lengths: list[int], alike: bool) -> None:
        self.engine = Engine(capacity_blocks)
        self.library = Library(lengths[:HEADS], lengths[HEADS:], alike)
        self.readers = [Reader(salt) for salt in SALTS * 2]
        self.timely = True  # see `late`

    # The engine

    @rule(
        salt=salts,
        head=heads,
        documents=st.lists(st.integers(0, DOCUMENTS - 1), max_size=5),
        question_tokens=st.integers(1, 6),
    )
    def ask(self, salt: str, head: int, documents: list[int], question_tokens: int) -> None:
        prompt = self.library.prompt(salt, head, documents, question_tokens)
        if len(prompt.hashes) + prompt.partial <= (self.engine.cache.capacity_blocks or 0):
            self.engine.ask(prompt)

    @rule(count=st.integers(1, 5), times=st.integers(1, 2))
    def deliver(self, count: int, times: int) -> None:
        self.engine.deliver(count, times)

    @rule(salt=salts, head=heads, documents=document_sets)
    def answer(self, salt: str, head: int, documents: list[int]) -> None:
        """One in quiet times, so that something is resident most of the time."""
        self.ask(salt, head, documents, 1)
        self.engine.deliver()
        self.serve(-1)

    @rule(index=st.integers(-3, 0))
    def serve(self, index: int) -> None:
        if len(self.engine.events) > 2:
            self.late()
        if -len(self.engine.unserved) <= index < len(self.engine.unserved):
            self.engine.serve(index)

    @rule(seconds=st.sampled_from([0.5, 1.9, 2.1]))
    def wait(self, seconds: float) -> None:
        self.engine.clock.now_s += seconds
        self.late()

    def late(self) -> None:
        """If a prompt's end overtakes the events of other prompts, a path may be missing.

        It is known again as soon as another prompt begins so. Until then less is claimed than is there.
        """
        self.timely = False

    @rule()
    def lose(self) -> None:
        self.engine.residency.start_estimating()
        self.late()

    @rule()
    def find(self) -> None:
        self.engine.deliver()
        self.engine.residency.stop_estimating()

    @rule()
    def reset(self) -> None:
        self.engine.reset()

    @rule()
    def evict_all(self) -> None:
        blocks = tuple(self.engine.cache)
        self.engine.cache.remove(blocks)
        self.engine.events.append(("removed", blocks))

    # The readers

    @rule(reader=st.integers(0, 3), claimed=st.none() | st.integers(0, 30))
    def update(self, reader: int, claimed: int | None) -> None:
        """Asks for the changes since its version, or since any other."""
        asking = self.readers[reader]
        known = asking.view.known
        if claimed is not None:
            known = known.__class__(known.replica, known.epoch, claimed)
        asking.underway.append(self.engine.residency.update_for(asking.salt, known, 0))

    @rule(reader=st.integers(0, 3), data=st.data(), again=st.booleans())
    def arrive(self, reader: int, data: st.DataObject, again: bool) -> None:
        """Any of the answers comes, perhaps not for the last time."""
        asking = self.readers[reader]
        if asking.underway:
            index = data.draw(st.integers(0, len(asking.underway) - 1))
            asking.view.apply(asking.underway[index])
            if not again:
                del asking.underway[index]

    @rule(reader=st.integers(0, 3))
    def forget(self, reader: int) -> None:
        self.readers[reader].underway.clear()

    @rule(reader=st.integers(0, 3))
    def follow(self, reader: int) -> None:
        """After any history, one update since the known version makes a view equal to a new one."""
        asking = self.readers[reader]
        asking.view.apply(self.engine.residency.update_for(asking.salt, asking.view.known, 7))
        assert contents(asking.view) == contents(snapshot(self.engine, asking.salt))
        assert asking.view.pending_tokens == 7
        assert asking.view.estimated is self.engine.residency.estimated

    # What must hold

    @rule(salt=salts, head=heads, documents=document_sets)
    def settle(self, salt: str, head: int, documents: list[int]) -> None:
        """When all events are delivered, the longest path is what the best order would find in the cache."""
        self.engine.settle()
        self.engine.residency.stop_estimating()
        wanted = [self.library.segment(number) for number in documents]
        path = snapshot(self.engine, salt).longest_path(self.library.head_segment(head), wanted)
        assert len(set(path.segments)) == len(path.segments)
        assert set(path.segments) <= set(wanted)

        leading = [documents[wanted.index(segment)] for segment in path.segments]
        others = [number for number in documents if number not in leading]
        claimed = self.engine.really_cached(self.library.prompt(salt, head, [*leading, *others]))
        best = max(
            self.engine.really_cached(prompt)
            for prompt in self.library.prompts_in_every_order(salt, head, documents)
        )
        assert path.cached_tokens <= claimed <= best
        if self.timely and not self.library.alike:
            assert path.cached_tokens == best
        if not self.engine.cache:
            assert self.engine.residency.paths() == 0
        self.timely = self.timely or not self.engine.cache

    @invariant()
    def nothing_is_kept_for_nothing(self) -> None:
        """Trees end in resident blocks, and know no block that belongs to none of their paths."""
        residency: Any = self.engine.residency
        for _, tree in residency._trees.values():
            nodes = list(tree._all())
            assert all(node.held for node in nodes if not node.children)
            assert set(tree.blocks) == {block for node in nodes for block in node.blocks}
        if residency.estimated:
            assert residency.resident_blocks <= residency._capacity_blocks

    @invariant()
    def views_hang_together(self) -> None:
        """Every path but the root has a parent in the tree, and is found from it."""
        for reader in self.readers:
            nodes = reader.view._nodes
            for name, node in nodes.items():
                if name != ROOT:
                    assert nodes[node.parent].children[node.segment] is node
                assert all(nodes[child.name] is child for child in node.children.values())


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

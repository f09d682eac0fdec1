"""A replica's knowledge of its own cache: by events, by served prompts, and while events are missing."""

from __future__ import annotations

from random import Random

import pytest

from deployments.core.reuse.paths import Known, ResidencyUpdate, unpack_changes
from deployments.core.reuse.replica_view import ReplicaView, ResidentPath
from deployments.core.reuse.residency import CONFIRM_WITHIN_S
from deployments.core.reuse.resident_tree import ALWAYS_LOGGED, ResidentTree
from tests.unit.core.reuse.asking import NOTHING, caught_up, found
from tests.unit.core.reuse.engine import Engine
from tests.unit.core.reuse.library import BLOCK, Library


@pytest.mark.parametrize("seed", range(8))
def test_in_a_small_cache_the_best_order_is_always_known(seed):
    """Many prompts, documents shorter and longer than a block, most of the cache evicted again and again."""
    random = Random(seed)
    lengths = [random.randint(1, 14) for _ in range(7)]
    library, engine = Library(lengths[:2], lengths[2:]), Engine(random.randint(20, 60))
    for _ in range(60):
        salt, head = random.choice("ab"), random.randrange(2)
        engine.ask(library.prompt(salt, head, random.sample(range(5), random.randint(0, 4))))
        if random.random() < 0.3:
            continue  # more than one prompt at a time
        if random.random() < 0.5 or len(engine.unserved) > 1:
            engine.deliver(times=random.randint(1, 2))
        while engine.unserved:
            engine.serve(random.randrange(len(engine.unserved)))
        engine.settle()
        asked = random.sample(range(5), 3)
        path = found(engine, library, salt, asked, head)
        prompts = library.prompts_in_every_order(salt, head, asked)
        assert path.cached_tokens == max(map(engine.really_cached, prompts))
        assert engine.residency.paths() <= len(engine.cache) * 5


def test_a_path_taken_for_gone_is_known_again_once_it_is_used(library):
    """A block that went and came back before the event of its going: nothing is claimed until then."""
    engine = Engine(50)
    for _ in range(2):
        engine.ask(library.prompt("a", 0, [0]))
        engine.events.append(("removed", tuple(engine.cache)))
        engine.cache.clear()
    engine.events.pop()
    engine.cache.admit(engine.unserved[-1].hashes)
    while engine.unserved:
        engine.serve()
    assert caught_up(engine, library, "a", [0]) == NOTHING
    engine.answer(library.prompt("a", 0, [0]))
    assert found(engine, library, "a", [0]).cached_tokens == 16


def test_nothing_resident_leaves_nothing_behind(library):
    """In whatever order the blocks are removed."""
    for seed in range(20):
        engine, random = Engine(200), Random(seed)
        for _ in range(20):
            engine.answer(library.prompt("a", random.randrange(2), random.sample(range(5), 3)))
        blocks = list(engine.cache)
        random.shuffle(blocks)
        while blocks:
            some, blocks = blocks[:7], blocks[7:]
            engine.residency.removed(some)
        assert engine.residency.paths() == 0
        assert engine.residency.resident_blocks == 0
        assert not engine.residency._trees
        assert not engine.residency._tree_of_block
        assert engine.residency.update_for("a", None, 0).changes == b""


def test_a_path_goes_with_the_last_blocks_before_and_after_it():
    """One event may take a path's end first and then its beginning, which a gap has made useless before."""
    library, engine = Library([4], [8, 4]), Engine(20)
    engine.answer(library.prompt("a", 0, [0, 1], question_tokens=1))
    head, first, second, third = reversed(list(engine.cache))
    engine.residency.removed([first])
    assert found(engine, library, "a", [0, 1]) == ResidentPath((), 4)
    engine.residency.removed([third, second])
    assert engine.residency.paths() == 1
    assert found(engine, library, "a", [0, 1]) == ResidentPath((), 4)
    engine.residency.removed([head])
    assert engine.residency.paths() == 0


def test_a_gap_hides_the_blocks_after_it_until_it_is_filled(library):
    """Of all but the last document, which is forgotten with its first block, as its end is evicted first."""
    engine = Engine(50)
    prompt = library.prompt("a", 0, [0, 1, 2])
    engine.answer(prompt)
    for gap in range(6):
        engine.residency.removed([prompt.hashes[gap]])
        assert found(engine, library, "a", [2, 1, 0]).cached_tokens == gap * BLOCK
        engine.residency.stored([prompt.hashes[gap]])
        assert found(engine, library, "a", [2, 1, 0]).cached_tokens == 8 * BLOCK


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_and_goes_no_more_is_claimed_than_is_there(seed):
    """Single blocks in any order, which a reader follows step by step."""
    random, library, engine = Random(seed), Library([5, 9], [3, 9, 2, 14, 4]), Engine(1000)
    prompts = [
        library.prompt("a", random.randrange(2), random.sample(range(5), random.randint(0, 4)))
        for _ in range(12)
    ]
    for prompt in prompts:
        engine.answer(prompt)
    blocks, there = list(engine.cache), set(engine.cache)
    view = ReplicaView("r1")
    for _ in range(150):
        block = random.choice(blocks)
        there ^= {block}
        (engine.residency.stored if block in there else engine.residency.removed)([block])
        view.apply(engine.residency.update_for("a", view.known, 0))
        head, asked = random.randrange(2), random.sample(range(5), 3)
        names = {library.segment(number): number for number in asked}
        path = view.longest_path(library.head_segment(head), list(names))
        assert path == found(engine, library, "a", asked, head)
        held = library.prompt("a", head, [names[segment] for segment in path.segments])
        assert path.cached_tokens <= sum(BLOCK for block in held.hashes if block in there)
        assert all(block in there for block in held.hashes[: path.cached_tokens // BLOCK])


def test_a_prompt_counts_from_its_end_on_and_an_event_confirms_it(library):
    """Whether the event comes before or after the prompt; a confirmed block has no time limit."""
    engine = Engine(50)
    engine.ask(library.prompt("a", 0, [0, 1]))
    engine.serve()
    path = ResidentPath((library.segment(0), library.segment(1)), 24)
    assert found(engine, library, "a", [1, 0]) == path
    engine.clock.now_s += CONFIRM_WITHIN_S
    assert found(engine, library, "a", [1, 0]) == path
    engine.deliver()
    engine.clock.now_s += 1000
    assert found(engine, library, "a", [1, 0]) == path


def test_what_no_event_confirms_is_forgotten(library):
    """An event that took it away may have come before the prompt's end was told."""
    engine = Engine(50)
    engine.answer(library.prompt("a", 0, [0]))
    engine.ask(library.prompt("a", 0, [0, 1]))
    engine.deliver()
    engine.residency.removed(engine.unserved[0].hashes[4:])
    engine.serve()
    assert found(engine, library, "a", [0, 1]).cached_tokens == 24
    engine.clock.now_s += CONFIRM_WITHIN_S + 0.01
    assert found(engine, library, "a", [0, 1]) == ResidentPath((library.segment(0),), 16)
    assert engine.residency.resident_blocks == 4 + 1  # and one of the first prompt's question


def test_each_prompt_has_its_own_time_to_be_confirmed(library):
    """Also if a block was removed and stored again in the meantime."""
    engine = Engine(50)
    first, second = library.prompt("a", 0, [0]), library.prompt("b", 0, [1])
    residency = engine.residency
    residency.served("a", first.steps, first.hashes)
    engine.clock.now_s += 0.5 * CONFIRM_WITHIN_S
    residency.served("b", second.steps, second.hashes)
    engine.clock.now_s += 0.4 * CONFIRM_WITHIN_S
    residency.removed(first.hashes)
    residency.served("a", first.steps, first.hashes)
    engine.clock.now_s += 0.7 * CONFIRM_WITHIN_S
    assert found(engine, library, "a", [0]).cached_tokens == 16
    assert found(engine, library, "b", [1]) == NOTHING
    engine.clock.now_s += 0.7 * CONFIRM_WITHIN_S
    assert found(engine, library, "a", [0]) == NOTHING
    assert residency.resident_blocks == 0


def test_two_tenants_know_nothing_of_each_other(library):
    """The same documents, an answer to each: neither what is resident nor that something has changed."""
    engine = Engine(100)
    engine.answer(library.prompt("a", 0, [0, 1]))
    other = engine.residency.update_for("b", None, 0)
    engine.answer(library.prompt("a", 0, [1, 2]))
    assert found(engine, library, "b", [0, 1, 2]) == NOTHING
    again = engine.residency.update_for("b", Known("r1", other.epoch, other.version), 0)
    assert (other.changes, again.changes, again.version) == (b"", b"", other.version)
    engine.answer(library.prompt("b", 0, [2]))
    assert found(engine, library, "a", [0, 1]).cached_tokens == 24
    assert found(engine, library, "b", [0, 1]).cached_tokens == 8
    assert found(engine, library, "b", [2]).cached_tokens == 16


def test_a_restarted_engine_continues_no_version(library):
    """A reader that knows an earlier life gets the whole tree, whatever the numbers."""
    old, new = Engine(50, epoch="e1"), Engine(50, epoch="e2")
    for engine in (old, new):
        engine.answer(library.prompt("a", 0, [0]))
    view = ReplicaView("r1")
    view.apply(old.residency.update_for("a", None, 0))
    new.answer(library.prompt("a", 0, [1]))
    update = new.residency.update_for("a", view.known, 0)
    assert update.since is None
    view.apply(update)
    assert view.longest_path(library.head_segment(0), [library.segment(1)]).cached_tokens == 16


def test_another_replicas_version_is_not_continued(library):
    """Epochs might be equal; names of replicas are not."""
    engine = Engine(50)
    engine.answer(library.prompt("a", 0, [0]))
    update = engine.residency.update_for("a", None, 0)
    other = Known("r2", update.epoch, update.version)
    assert engine.residency.update_for("a", other, 0).since is None


@pytest.mark.parametrize("dropped_by", ["clearing", "eviction"])
def test_a_dropped_tree_continues_no_version(dropped_by, library):
    """The next tree may have reached the same version."""
    engine = Engine(50)
    engine.answer(library.prompt("a", 0, [0]))
    known = after(engine.residency.update_for("a", None, 0))
    if dropped_by == "clearing":
        engine.residency.cleared()
        engine.cache.clear()
    else:
        engine.residency.removed(list(engine.residency._resident))
        engine.cache.clear()
        assert not engine.residency._trees
    engine.answer(library.prompt("a", 0, [1]))
    update = engine.residency.update_for("a", known, 0)
    assert update.since is None
    assert update.epoch != known.epoch
    assert update.version == known.version  # which is why the epoch is needed


def test_no_number_of_other_tenants_makes_a_tenants_tree_go(library):
    """A tree stays as long as the engine holds a block of it."""
    engine = Engine(20_000)
    engine.answer(library.prompt("idle", 0, [0]))
    for number in range(1000):
        engine.answer(library.prompt(f"other {number}", 0, [0]))
    assert found(engine, library, "idle", [0]).cached_tokens == 16


def test_the_engines_cache_bounds_all_trees(library):
    """Also the maps by which blocks find their trees; a survey makes no tree."""
    engine = Engine(50)
    for number in range(300):
        engine.answer(library.prompt(f"t{number}", 0, [0]))
        engine.residency.update_for(f"asked only {number}", None, 0)
    residency = engine.residency
    assert len(residency._trees) == len(residency._salts) <= 50
    assert len(residency._tree_of_block) <= 50
    engine.residency.removed(list(residency._resident))
    assert (residency._trees, residency._salts, residency._tree_of_block) == ({}, {}, {})


def test_an_event_reaches_the_trees_of_its_blocks_only(library, monkeypatch):
    """However many tenants there are."""
    engine = Engine(5000)
    for number in range(200):
        engine.answer(library.prompt(f"t{number}", 0, [0]))
    told = []
    changed = ResidentTree.changed

    def counted(tree, blocks):
        told.append(tree)
        changed(tree, blocks)

    monkeypatch.setattr(ResidentTree, "changed", counted)
    tree = engine.residency._trees["t7"].tree
    engine.residency.removed(list(tree.blocks))
    assert told == [tree]


def test_a_small_tree_logs_few_changes(library):
    """The whole tree is shorter."""
    engine = Engine(50)
    for number in range(500):
        engine.answer(library.prompt("a", 0, [number % 5]))
        engine.residency.removed(list(engine.residency._resident))
        engine.cache.clear()
    engine.answer(library.prompt("a", 0, [0]))
    assert len(engine.residency._trees["a"].tree._log) <= ALWAYS_LOGGED


def test_a_reader_that_lacks_many_changes_gets_the_whole_tree(monkeypatch, library):
    """One that lacks a few changes gets only those, one that lacks none gets none."""
    monkeypatch.setattr("deployments.core.reuse.resident_tree.LOGGED_CHANGES", 3)
    engine = Engine(200)
    view = ReplicaView("r1")
    engine.answer(library.prompt("a", 0, [0]))
    view.apply(engine.residency.update_for("a", None, 0))
    for number in range(1, 5):
        engine.answer(library.prompt("a", 0, [number]))
        update = engine.residency.update_for("a", view.known, 0)
        assert update.since == view.known.version
        assert len([*unpack_changes(update.changes)]) == update.version - view.known.version <= 2
        view.apply(update)
        assert engine.residency.update_for("a", view.known, 0).changes == b""
    ahead = Known("r1", view.known.epoch, view.known.version + 1)
    assert engine.residency.update_for("a", ahead, 0).since is None
    early = view.known
    for number in range(4):
        engine.answer(library.prompt("a", 0, [number, 4]))
    assert engine.residency.update_for("a", early, 0).since is None
    assert len([*unpack_changes(engine.residency.update_for("a", early, 0).changes)]) == 10


def test_blocks_of_the_question_are_no_path(library):
    """No other prompt continues so: these blocks count as resident and belong to no path."""
    engine = Engine(200)
    engine.answer(library.prompt("a", 0, [0], question_tokens=400))
    assert engine.residency.resident_blocks > 100
    assert engine.residency.paths() == 2
    assert len([*engine.residency._trees["a"][1].blocks]) == (8 + 9) // BLOCK


def after(update: ResidencyUpdate) -> Known:
    """How far somebody is who took it."""
    return Known(update.replica, update.epoch, update.version)

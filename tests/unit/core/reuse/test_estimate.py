"""Residency while events are missing, and when they are complete again."""

from __future__ import annotations

from random import Random

import pytest

from deployments.core.reuse.residency import Residency
from tests.unit.core.reuse.asking import NOTHING, caught_up, found
from tests.unit.core.reuse.engine import Clock, Engine
from tests.unit.core.reuse.library import BLOCK


def test_while_events_are_missing_an_estimate_says_so(library):
    """It begins with what is known, goes on with what is served, and never outgrows the cache."""
    engine = Engine(40)
    engine.answer(library.prompt("a", 0, [0, 1]))
    engine.residency.start_estimating()
    assert engine.residency.update_for("a", None, 0).estimated
    assert found(engine, library, "a", [1, 0]).cached_tokens == 24
    random = Random(0)
    for _ in range(100):
        prompt = library.prompt("a", 0, random.sample(range(5), 3))
        engine.ask(prompt)
        engine.serve()
        engine.clock.now_s += 1
        engine.residency.update_for("a", None, 0)  # whose clock forgets nothing now
        assert found(engine, library, "a", range(5)).cached_tokens >= 32
        assert engine.residency.resident_blocks <= 40
        assert engine.residency.estimated
    engine.deliver()
    engine.residency.stop_estimating()
    assert not engine.residency.update_for("a", None, 0).estimated


def test_an_estimate_claims_no_more_than_the_same_model_holds(library):
    """Fed with the same prompts."""
    engine, random = Engine(30), Random(3)
    engine.residency.start_estimating()
    for _ in range(50):
        engine.ask(library.prompt("a", 0, random.sample(range(5), 3)))
        engine.serve()
        asked = random.sample(range(5), 3)
        path = found(engine, library, "a", asked)
        order = [asked[[library.segment(n) for n in asked].index(segment)] for segment in path.segments]
        assert path.cached_tokens <= engine.really_cached(library.prompt("a", 0, order))


@pytest.mark.parametrize(("eviction", "kept"), [("documents", 24), ("lru", 8)])
def test_an_estimate_evicts_as_the_engine_does(library, eviction, kept):
    """Documents that were asked for twice outlive others; least recently used, only the head is left."""
    residency = Residency("r1", "e1", BLOCK, 20, Clock(), eviction=eviction)
    residency.start_estimating()
    for documents in ([0, 1], [0, 1], *([number] for number in range(2, 5)), [3, 2], [4, 2]):
        prompt = library.prompt("a", 0, documents, question_tokens=20)
        residency.served("a", prompt.steps, prompt.hashes)
    again = library.prompt("a", 0, [0, 1])
    assert residency.leading(again.hashes) * BLOCK == kept


def test_known_paths_that_do_not_fit_are_not_estimated(library):
    """The prompts of an engine of another size, as it were."""
    engine = Engine(6)
    for number in range(5):
        prompt = library.prompt("a", 0, [number])
        engine.residency.served("a", prompt.steps, prompt.hashes)
        engine.residency.stored(prompt.hashes)
    engine.residency.start_estimating()
    assert engine.residency.resident_blocks <= 6


def test_what_was_unconfirmed_when_events_were_lost_belongs_to_the_estimate(library):
    """No event can confirm it meanwhile; with events found it needs one."""
    for confirmed in (True, False):
        engine = Engine(40)
        engine.ask(library.prompt("a", 0, [0, 1]))
        engine.serve()
        engine.residency.start_estimating()
        engine.clock.now_s += 60
        assert found(engine, library, "a", [0, 1]).cached_tokens == 24
        if confirmed:
            engine.deliver()
        engine.residency.stop_estimating()
        assert found(engine, library, "a", [0, 1]).cached_tokens == (24 if confirmed else 0)


def test_an_estimate_knows_what_events_took_away_before_and_since(library):
    """It is neither claimed nor, once it is served again, taken for claimed already."""
    for lost_first in (True, False):
        engine = Engine(50)
        prompt = library.prompt("a", 0, [0, 1])
        engine.answer(prompt)
        if lost_first:
            engine.residency.start_estimating()
        engine.residency.removed(prompt.hashes[2:3])
        engine.residency.start_estimating()
        assert found(engine, library, "a", [0, 1]).cached_tokens == 8
        engine.residency.served("a", prompt.steps, prompt.hashes)
        assert found(engine, library, "a", [0, 1]).cached_tokens == 24


def test_complete_events_alone_decide_what_is_resident(library):
    """Neither what the estimate threw out nor what it kept outlives it."""
    engine = Engine(60)
    engine.answer(library.prompt("a", 0, [0, 1]))
    engine.residency.start_estimating()
    kept, gone = library.prompt("a", 0, [2]), library.prompt("a", 0, [3])
    for prompt in (kept, gone):
        engine.ask(prompt)
        engine.serve()
    engine.residency.stored(kept.hashes)
    engine.residency.stored(gone.hashes)
    engine.residency.removed(gone.hashes[2:])
    unconfirmed = library.prompt("a", 0, [4])
    engine.residency.served("a", unconfirmed.steps, unconfirmed.hashes)
    engine.residency.stop_estimating()
    assert found(engine, library, "a", [0, 1]).cached_tokens == 24
    assert found(engine, library, "a", [2]).cached_tokens == 16
    assert found(engine, library, "a", [3]).cached_tokens == 8
    assert found(engine, library, "a", [4]).cached_tokens == 8


def test_what_an_estimate_evicted_is_known_again_when_events_are_found(library):
    """The engine held it all the time."""
    engine = Engine(12)
    engine.answer(library.prompt("a", 0, [0, 1]))
    before = engine.residency.resident_blocks
    engine.residency.start_estimating()
    for number in range(5):
        prompt = library.prompt("b", 0, [number])
        engine.residency.served("b", prompt.steps, prompt.hashes)
    assert found(engine, library, "a", [0, 1]) == NOTHING
    engine.residency.stop_estimating()
    assert engine.residency.resident_blocks == before
    again = library.prompt("a", 0, [0, 1])
    engine.residency.served("a", again.steps, again.hashes)
    engine.clock.now_s += 60
    assert found(engine, library, "a", [0, 1]).cached_tokens == 24


def test_a_cleared_cache_is_learnt_again_also_in_an_estimate(library):
    """The model's blocks from before the clearing must not count as known."""
    for lose in (False, True):
        engine = Engine(50)
        engine.answer(library.prompt("a", 0, [0, 1]))
        if lose:
            engine.residency.start_estimating()
        engine.residency.cleared()
        assert found(engine, library, "a", [0, 1]) == NOTHING
        assert engine.residency.resident_blocks == engine.residency.paths() == 0
        prompt = library.prompt("a", 0, [0, 1])
        engine.residency.served("a", prompt.steps, prompt.hashes)
        assert found(engine, library, "a", [0, 1]).cached_tokens == 24
        if lose:
            engine.residency.stop_estimating()
            assert engine.residency.resident_blocks == 0


def test_losing_twice_is_losing_once(library):
    """Calling `stop_estimating` without an estimate changes nothing."""
    engine = Engine(50)
    engine.answer(library.prompt("a", 0, [0, 1]))
    engine.residency.stop_estimating()
    engine.residency.start_estimating()
    engine.ask(library.prompt("a", 0, [2]))
    engine.serve()
    engine.residency.start_estimating()
    assert found(engine, library, "a", [2]).cached_tokens == 16
    engine.residency.stop_estimating()
    assert found(engine, library, "a", [2]).cached_tokens == 8  # which no event has told of
    assert caught_up(engine, library, "a", [0, 1]).cached_tokens == 24

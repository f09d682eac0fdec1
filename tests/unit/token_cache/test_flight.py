"""Single flight: one computation per key, every caller gets its value, and no task is left."""

import asyncio
import random
from collections import Counter

import pytest

from deployments.token_cache.flight import SingleFlight


def new_flight() -> SingleFlight[str, str]:
    return SingleFlight()


class Work:
    """A computation that waits until it is released and records what happened to it."""

    def __init__(self):
        self.started: list[tuple[str, ...]] = []
        self.cancelled = 0
        self.release = asyncio.Event()

    async def __call__(self, keys):
        self.started.append(keys)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {key: key.upper() for key in keys}


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_callers_of_one_key_share_one_computation():
    """Ten callers at once start one computation and all get its value."""
    flight, work = new_flight(), Work()
    callers = [asyncio.create_task(flight.get(["a"], work)) for _ in range(10)]
    await turns()
    work.release.set()
    assert await asyncio.gather(*callers) == [{"a": "A"}] * 10
    assert work.started == [("a",)]
    assert len(flight) == 0


async def test_overlapping_callers_compute_only_keys_that_are_not_being_computed():
    """A second caller of (b, c) joins b and starts c only, in one call."""
    flight, work = new_flight(), Work()
    first = asyncio.create_task(flight.get(["a", "b", "a"], work))
    await turns()
    second = asyncio.create_task(flight.get(["b", "c", "d"], work))
    await turns()
    assert work.started == [("a", "b"), ("c", "d")]
    work.release.set()
    assert await first == {"a": "A", "b": "B"}
    assert await second == {"b": "B", "c": "C", "d": "D"}


async def test_cancelling_the_first_caller_does_not_affect_the_second():
    """The caller that started the computation is cancelled; the one that joined gets the value."""
    flight, work = new_flight(), Work()
    leader = asyncio.create_task(flight.get(["a"], work))
    await turns()
    follower = asyncio.create_task(flight.get(["a"], work))
    await turns()
    leader.cancel()
    await turns()
    assert leader.cancelled()
    work.release.set()
    assert await follower == {"a": "A"}
    assert (work.started, work.cancelled) == ([("a",)], 0)


async def test_cancelling_the_last_caller_cancels_the_computation():
    """Without callers, the computation is cancelled and removed."""
    flight, work = new_flight(), Work()
    callers = [asyncio.create_task(flight.get(["a"], work)) for _ in range(3)]
    await turns()
    for caller in callers:
        caller.cancel()
    await turns()
    assert work.cancelled == 1
    assert len(flight) == 0


async def test_a_cancelled_computation_is_not_joined():
    """A caller that comes right after the last one was cancelled starts a new computation."""
    flight, work = new_flight(), Work()
    first = asyncio.create_task(flight.get(["a"], work))
    await turns()
    first.cancel()
    second = asyncio.create_task(flight.get(["a"], work))
    await turns()
    work.release.set()
    assert await second == {"a": "A"}
    assert len(work.started) == 2


async def test_an_error_goes_to_all_callers_and_is_not_kept():
    """All callers get the error; the next caller computes again."""
    flight = new_flight()
    tries = 0

    async def fails(keys):
        nonlocal tries
        tries += 1
        await turns()
        raise ValueError("no")

    callers = [asyncio.create_task(flight.get(["a"], fails)) for _ in range(3)]
    for caller in callers:
        with pytest.raises(ValueError, match="no"):
            await caller
    assert (tries, len(flight)) == (1, 0)
    with pytest.raises(ValueError, match="no"):
        await flight.get(["a"], fails)
    assert tries == 2


async def test_no_keys_are_no_computation():
    """An empty request returns at once."""
    work = Work()
    assert await new_flight().get([], work) == {}
    assert work.started == []


@pytest.mark.parametrize("seed", range(20))
async def test_under_random_cancellation_every_survivor_is_served_and_no_key_runs_twice(seed):
    """300 callers of 8 keys. A third of them are cancelled, and a tenth of the computations fail."""
    rng = random.Random(seed)
    flight: SingleFlight[int, int] = SingleFlight()
    running: Counter[int] = Counter()

    async def compute(keys):
        running.update(keys)
        assert max(running.values()) == 1, "one key computed twice at the same time"
        try:
            await turns(rng.randrange(4))
            if rng.random() < 0.1:
                raise ValueError("unlucky")
            return {key: key * key for key in keys}
        finally:
            running.subtract(keys)

    async def ask():
        keys = rng.sample(range(8), rng.randrange(1, 5))
        await turns(rng.randrange(10))
        try:
            return await flight.get(keys, compute) == {key: key * key for key in keys}
        except ValueError:
            return True

    callers = [asyncio.create_task(ask()) for _ in range(300)]
    doomed = rng.sample(callers, 100)
    for caller in doomed:
        await turns(rng.randrange(2))
        caller.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    for caller, outcome in zip(callers, outcomes, strict=True):
        assert outcome is True or (caller in doomed and isinstance(outcome, asyncio.CancelledError))
    await turns()
    assert len(flight) == 0
    assert +running == Counter()
    assert asyncio.all_tasks() == {asyncio.current_task()}

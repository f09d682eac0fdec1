"""Reading a scope's history: what the string holds of this hour and day, and nothing older."""

from __future__ import annotations

import struct
from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.cache_history import DAY, HOUR, ReuseCounts
from deployments.token_cache.history import SIZE, unpacked

NOW_S = 1_790_000_123
SLOT = 28
COUNTS = st.builds(ReuseCounts, *[st.integers(0, 2**32 - 1)] * 6)


def written(ring_at: int, span, counts: dict[int, ReuseCounts], stored: bytes = bytes(SIZE)) -> bytes:
    """A string in which these steps were written, in their order."""
    ring = bytearray(stored)
    for number, sums in counts.items():
        at = ring_at + number % span.steps * SLOT
        ring[at : at + SLOT] = struct.pack("<7I", number, *astuple(sums))
    return bytes(ring)


@given(st.dictionaries(st.integers(-200, 0), COUNTS), st.dictionaries(st.integers(-300, 0), COUNTS))
def test_steps_within_the_span_are_read_and_older_ones_are_not(by_minute, by_ten_minutes):
    """Steps are written as they come, so that a newer one replaces an older one in the same slot."""
    expected = []
    stored = bytes(SIZE)
    for ring_at, span, ago in ((0, HOUR, by_minute), (HOUR.steps * SLOT, DAY, by_ten_minutes)):
        last = NOW_S // span.step_s
        stored = written(ring_at, span, {last + n: ago[n] for n in sorted(ago)}, stored)
        expected.append(tuple(ago.get(n, ReuseCounts()) for n in range(1 - span.steps, 1)))
    found = unpacked(stored, NOW_S)
    assert (found.hour.steps, found.day.steps) == tuple(expected)
    for span, history in ((HOUR, found.hour), (DAY, found.day)):
        assert history.step_s == span.step_s
        assert history.begin_unix_s % span.step_s == 0
        assert 0 <= NOW_S - (history.begin_unix_s + (span.steps - 1) * span.step_s) < span.step_s


@given(st.binary(max_size=2 * SIZE))
def test_any_string_is_read(stored):
    """Also one that something else wrote."""
    found = unpacked(stored, NOW_S)
    assert (len(found.hour.steps), len(found.day.steps)) == (HOUR.steps, DAY.steps)

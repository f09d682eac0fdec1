"""Recorded traces, and the bounds that are computed of any trace."""

from __future__ import annotations

import json

import pytest

from tests.bench.workload import bounds
from tests.bench.workload.trace import Ask, Trace, read_trace

TRACE = Trace(
    [Ask(0.0, (1, 2)), Ask(1.0, (2, 1)), Ask(2.0, (2, 3)), Ask(3.0, (1, 2))],
    {1: 10, 2: 30, 3: 60},
)


def test_a_trace_is_read_in_order_of_time(tmp_path):
    """Requests without passages are left out, and a passage counts once in a request."""
    rows = [("9", [4, 5, 4]), ("3", [5]), ("5", [])]
    requests, lengths = tmp_path / "requests.jsonl", tmp_path / "lengths.jsonl"
    requests.write_text(
        "\n\n".join(json.dumps({"timestamp": at, "hash_ids": {"passages_ids": ids}}) for at, ids in rows)
    )
    lengths.write_text('{"passage_id": 4, "token_length": 7}\n{"passage_id": 5, "token_length": 8}\n')
    trace = read_trace(requests, lengths)
    assert trace.asks == [Ask(3.0, (5,)), Ask(9.0, (4, 5))]
    assert trace.tokens_of((4, 5)) == 15


def test_bounds_of_a_small_trace():
    """Counted by hand."""
    assert bounds.overlaps(TRACE, in_tokens=False) == [0, 1, 0.5, 1]
    assert bounds.one_earlier_prompt(TRACE) == pytest.approx((0 + 40 + 30 + 40) / 210)
    assert bounds.any_position(TRACE) == pytest.approx((0 + 40 + 30 + 40) / 210)
    assert bounds.keyed_per_document(TRACE) == 1 - 3 / 8
    assert bounds.keyed_by_set(TRACE) == 1 - 3 / 4
    assert bounds.top_shares(TRACE, (0.34, 1.0)) == [0.5, 1.0]

"""Claims are compared with their goals, and answers are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.harness.claims import Claim
from tests.bench.harness.observation import Observation, document_prefilled, row
from tests.bench.harness.peer import Peer, parse
from tests.bench.harness.report import as_table
from tests.bench.harness.streams import piece
from tests.bench.studies.soak import Sample
from tests.bench.studies.soak import claims as soak_claims


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [
        (7.0, "lower", True),
        (8.0, "lower", True),
        (8.1, "lower", False),
        (8.1, "higher", True),
        (7.9, "higher", False),
    ],
)
def test_a_claim_is_met_at_its_goal(value: float, better: Any, met: bool) -> None:
    """A figure at the goal meets it, and so does one on its better side."""
    claim = Claim("overhead", value, "ms", 8.0, better)
    assert claim.met is met
    assert claim.as_dict() == {
        "name": "overhead", "value": value, "unit": "ms", "goal": 8.0, "better": better, "how": "", "met": met
    }  # fmt: skip
    assert str(claim).startswith("met" if met else "NOT MET")


def test_what_is_no_number_meets_nothing() -> None:
    """A figure that could not be computed is no success."""
    assert not Claim("x", float("nan"), "", 1.0, "lower").met
    assert not Claim("x", float("nan"), "", 1.0, "higher").met


@given(st.integers(0, 3000), st.integers(0, 600), st.integers(0, 5000))
def test_documents_are_found_after_the_preamble_only(documents: int, head: int, cached: int) -> None:
    """Cached tokens count between the first and the last token of the documents."""
    left = document_prefilled(documents, head, cached)
    assert 0 <= left <= documents
    if cached <= head:
        assert left == documents
    if cached >= head + documents:
        assert left == 0


def _seen(**fields: Any) -> Observation:
    given: dict[str, Any] = {
        "arm": "d",
        "agent": "support",
        "kind": "first",
        "question": 0,
        "prompt_tokens": 1000,
        "cached_tokens": 0,
        "document_tokens": 900,
        "document_prefilled": 900,
        "segments": 5,
        "segment_hits": 4,
        "dropped": 0,
        "answer": "generated",
        "answer_tokens": 1,
        "engine_ms": 100.0,
        "ttft_ms": 110.0,
        "total_ms": 120.0,
        "digest": "",
    }
    return Observation(**(given | fields))


def test_a_row_counts_tokens_and_segments() -> None:
    """Shares are of all tokens. An answer that was shared with another request cost no prefill."""
    found = row([_seen(cached_tokens=500), _seen(cached_tokens=32, answer="reused", ttft_ms=10.0)])
    assert found["n"] == 2
    assert found["prefilled_mean"] == 250
    assert found["kv_hit"] == 0.75
    assert found["token_hit"] == 0.8
    assert found["ttft_p50_ms"] == 60


def test_a_table_has_a_line_for_each_row() -> None:
    """Under the names of the first row's fields."""
    lines = as_table([{"arm": "a", "ms": 1234.5}, {"arm": "b", "ms": None}]).splitlines()
    assert [line.split() for line in lines] == [["arm", "ms"], ["---", "----"], ["a", "1234"], ["b", "-"]]


def test_a_peer_is_read_from_one_argument() -> None:
    """A name and a URL, with options that replace the defaults."""
    assert parse("vllm=http://127.0.0.1:8001/v1/") == Peer("vllm", "http://127.0.0.1:8001/v1")
    assert parse("x=https://h/v1,send=chat,model=m,key=k") == Peer("x", "https://h/v1", "chat", "m", "k")
    for wrong in ("http://h/v1", "x=ftp://h", "x=http://h,send=mail", "x=http://h,colour=red"):
        with pytest.raises(ValueError, match=r"send|is not"):
            parse(wrong)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ('{"text": "ours"}', "ours"),
        ('{"choices": [{"text": "a completion"}]}', "a completion"),
        ('{"choices": [{"delta": {"content": "a chat"}}]}', "a chat"),
        ('{"choices": [{"delta": {"role": "assistant", "content": ""}}]}', ""),
        ('{"choices": [], "usage": {}}', ""),
        ('{"timings_ms": {}}', ""),
    ],
)
def test_a_stream_s_piece_is_its_text(event: str, text: str) -> None:
    """In each of the shapes that servers send."""
    assert piece(json.loads(event)) == text


def test_a_soak_allows_no_error_but_429() -> None:
    """Memory may grow within bounds."""
    figures: dict[str, Any] = {
        "statuses": {"200": 90, "429": 9, "503": 1},
        "requests_per_s": 3.0,
        "total_ms": {"p99": 9.0},
        "memory_mib": [{"all": 900.0}, {"all": 1940.0}],
        "grown_mib": 40.0,
    }
    errors, growth = soak_claims(figures)
    assert (errors.value, errors.met) == (1, False)
    assert (growth.value, growth.met) == (40.0, True)


def test_memory_growth_is_that_of_processes_that_ran_at_both_times() -> None:
    """Replicas that were added or have ended in between do not count."""
    earlier = Sample(0.0, {(1, "engine"): 2000.0, (2, "agent"): 200.0, (3, "agent"): 200.0})
    later = Sample(60.0, {(1, "engine"): 2030.0, (2, "agent"): 190.0, (4, "agent"): 210.0})
    assert later.grown_since(earlier) == 20.0
    assert later.row() == {"at_s": 60.0, "all": 2430.0, "agent": 400.0, "engine": 2030.0}

"""Citations, and what an answer takes from the engine's deltas."""

from contextlib import contextmanager
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.messages import Delta
from deployments.core.token_ids import from_bytes
from deployments.rag.answering import Generation, citations
from deployments.rag.stopwatch import Stopwatch
from tests.fakes import FakeClock, a_passage
from tests.unit.rag.rig import delta


@given(st.lists(st.sampled_from("abcd"), max_size=10))
def test_one_citation_a_document_by_its_best_passage(docs):
    """Documents are cited once, in the order in which they were first found, with that passage's score."""
    passages = tuple(a_passage(rank, doc=doc) for rank, doc in enumerate(docs))
    cited = citations(passages)
    assert [citation.doc_id for citation in cited] == list(dict.fromkeys(docs))
    for citation in cited:
        best = passages[docs.index(citation.doc_id)]
        assert (citation.score, citation.snippet) == (best.score, best.body)
    assert all(first.score > second.score for first, second in pairwise(cited))


def test_a_citation_says_where_it_is_from():
    """Every field comes from the passage."""
    (citation,) = citations((a_passage(4),))
    assert (citation.doc_id, citation.title, citation.section, citation.version) == (
        "doc-4",
        "Title of 4",
        "accounts",
        3,
    )


@given(st.text(min_size=1, max_size=600).filter(lambda text: text.strip() != ""))
def test_a_snippet_is_the_short_beginning_of_its_passage(body):
    """It is one line of at most 240 characters and a mark, and its words are the passage's first."""
    (citation,) = citations((a_passage(body=body),))
    text = " ".join(body.split())
    assert len(citation.snippet) <= 241
    assert text.startswith(citation.snippet.removesuffix("…"))
    assert "\n" not in citation.snippet
    assert (citation.snippet == text) == (len(text) <= 240)


def test_a_snippet_ends_between_words():
    """A long passage is cut after a whole word."""
    (citation,) = citations((a_passage(body="word " * 100),))
    assert citation.snippet.endswith("word…")
    assert set(citation.snippet.removesuffix("…").split()) == {"word"}


def test_a_snippet_without_blanks_is_cut_all_the_same():
    """A passage that is one long word has no place to cut, and is still bounded."""
    (citation,) = citations((a_passage(body="x" * 500),))
    assert citation.snippet == "x" * 240 + "…"


def test_a_generation_adds_up_its_deltas():
    """Text and ids are joined; the engine's times and KV reuse come from the deltas that have them."""
    clock = FakeClock()
    watch = Stopwatch(clock)
    generation = Generation()
    generation.add(Delta("", b""), watch)
    clock.pass_s(0.5)
    generation.add(delta("ab", kv_cached_tokens=64, queue_ms=1.0, prefill_ms=2.0), watch)
    clock.pass_s(0.5)
    generation.add(delta("c", finish_reason="length", decode_ms=500.0), watch)
    assert "".join(generation.text) == "abc"
    assert from_bytes(bytes(generation.ids)).tolist() == [97, 98, 99]
    assert (generation.finish_reason, generation.kv_cached_tokens) == ("length", 64)
    assert generation.ttft_ms == 500.0
    assert watch.stages_ms == {"queue": 1.0, "prefill": 2.0, "decode": 500.0}


def test_a_generation_that_broke_off_says_so():
    """Without a finish reason from the engine the answer was aborted."""
    generation = Generation()
    generation.add(delta("ab"), Stopwatch(FakeClock()))
    assert generation.finish_reason == "abort"


def test_stages_are_consecutive_and_add_up():
    """A stage includes the time since the last one; time before the start counts in the elapsed time only."""
    clock = FakeClock()
    opened: list[str] = []

    @contextmanager
    def span(stage):
        opened.append(stage)
        yield

    watch = Stopwatch(clock, before_s=2.0, span=span)
    for stage, seconds in (("retrieve", 1.0), ("tokens", 0.25), ("retrieve", 0.5)):
        clock.pass_s(seconds / 2)
        with watch.stage(stage):
            clock.pass_s(seconds / 2)
    assert watch.stages_ms == {"retrieve": 1500.0, "tokens": 250.0}
    assert watch.elapsed_ms == 3750.0
    assert opened == ["retrieve", "tokens", "retrieve"]


def test_a_request_from_the_future_took_no_negative_time():
    """The edge's clock can be ahead of this one."""
    assert Stopwatch(FakeClock(), before_s=-5.0).elapsed_ms == 0.0

"""What stays of a conversation: everything before the first change, and no answer that may be stale."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from deployments.core.conversations import Exchange, StoredTurn, Talk, exchanges_of
from deployments.core.ids import Fingerprint, TenantId
from deployments.rag.conversation_plan import plan_of, shortened

TOKENIZER = Fingerprint("fake")


def a_turn(number: int, documents: tuple[str, ...] = (), **changes: object) -> StoredTurn:
    """The turn of a number, which follows the one before it."""
    turn = StoredTurn(
        tenant=TenantId("acme"),
        conversation_id="conv_1",
        turn_id=f"resp_{number}",
        follows=f"resp_{number - 1}" if number else None,
        previous=f"resp_{number - 1}" if number else None,
        agent="support",
        question=f"question {number}",
        answer=f"answer {number}",
        finish_reason="stop",
        documents=documents,
        history=(),
        sources=documents,
        instructions="",
        limited_to="",
        tokenizer=TOKENIZER,
        asked=b"",
        answered=b"",
        prompt_tokens=10,
        cached_tokens=0,
        answer_tokens=2,
        note="",
    )
    return replace(turn, **changes)  # type: ignore[arg-type]


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Conversations of up to six turns, whose documents are all different and all current."""
    counts = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    told = draw(st.integers(0, 2))
    turns = [
        a_turn(number, tuple(f"{number}.{document}" for document in range(count)))
        for number, count in enumerate(counts)
    ]
    history = tuple(Exchange(f"told {n}", f"told answer {n}", (f"told {n}.0",)) for n in range(told))
    turns[0] = replace(turns[0], history=history)
    sources = tuple(source for exchange in history for source in exchange.sources)
    for number, turn in enumerate(turns):
        sources += turn.documents
        turns[number] = replace(turn, sources=sources)
    texts = {digest: f"text of {digest}" for turn in turns for digest in turn.documents}
    return Talk("conv_1", turns[-1].turn_id, tuple(turns), texts=texts)


def planned(talk, instructions="", limited_to="", tokenizer=TOKENIZER):
    """The plan for the next question, asked as the earlier ones were."""
    return plan_of(talk, instructions, limited_to, tokenizer)


def documents_of(talk):
    """All documents, in the order of the prompt."""
    return [digest for turn in talk.turns for digest in turn.documents]


@given(talks())
def test_a_conversation_in_which_nothing_changed_stays_whole(talk):
    """Every turn with its answer, and nothing is told again."""
    plan = planned(talk)
    assert plan.kept == talk.turns
    assert (plan.documents, plan.history, plan.stale, plan.dropped) == ((), (), 0, 0)


@given(talks(), st.data())
def test_a_change_cuts_exactly_at_the_first_changed_document(talk, data):
    """All documents before it stay, none after it, and all questions from its turn on are told again."""
    assume(documents_of(talk))
    changed = data.draw(st.sets(st.sampled_from(documents_of(talk)), min_size=1))
    plan = planned(replace(talk, gone=frozenset(changed)))
    placed = [digest for turn in plan.kept for digest in turn.documents] + list(plan.documents)
    first = min(map(documents_of(talk).index, changed))
    assert placed == documents_of(talk)[:first]
    told = [exchange.question for turn in talk.turns[len(plan.kept) :] for exchange in exchanges_of(turn)]
    assert [exchange.question for exchange in plan.history] == told


@given(talks(), st.data())
def test_no_answer_that_was_given_from_a_changed_document_is_told(talk, data):
    """Nor any later one, which may repeat it. Earlier ones are."""
    sources = [digest for exchange in talk.exchanges() for digest in exchange.sources]
    assume(sources)
    changed = data.draw(st.sampled_from(sources))
    plan = planned(replace(talk, gone=frozenset({changed})))
    exchanges = talk.exchanges()
    stale_from = next(n for n, exchange in enumerate(exchanges) if changed in exchange.sources)
    kept = sum(len(exchanges_of(turn)) for turn in plan.kept)
    assert kept <= stale_from
    answers = ["" if n >= stale_from else one.answer for n, one in enumerate(exchanges)]
    assert [exchange.answer for exchange in plan.history] == answers[kept:]
    assert plan.stale == len(exchanges) - stale_from


@given(talks(), st.sampled_from([("be short", "", TOKENIZER), ("", "", Fingerprint("other"))]))
def test_other_instructions_or_another_tokenizer_keep_the_first_documents(talk, asked):
    """They come before the instructions, and their ids do not depend on the tokenizer's past."""
    plan = planned(talk, *asked)
    assert plan.kept == ()
    assert plan.documents == talk.turns[0].documents
    assert [exchange.answer for exchange in plan.history] == [one.answer for one in talk.exchanges()]


@given(talks())
def test_another_limit_removes_the_documents_that_were_found_without_it(talk):
    """From the first turn that has any; the answers stay."""
    plan = planned(talk, limited_to="a filter")
    assert not plan.placed
    assert plan.stale == 0
    with_documents = [number for number, turn in enumerate(talk.turns) if turn.documents]
    assert len(plan.kept) == (with_documents[0] if with_documents else len(talk.turns))


@given(talks())
def test_after_a_deleted_turn_everything_is_told_again(talk):
    """The prompt cannot be continued without it."""
    plan = planned(replace(talk, complete=False))
    assert (plan.kept, plan.documents) == ((), ())
    assert len(plan.history) == len(talk.exchanges())


@given(talks(), st.integers(0, 200))
def test_a_conversation_that_is_too_long_tells_its_last_exchanges(talk, room):
    """As many as fit; the others are counted."""
    plan = shortened(talk, room, len)
    exchanges = talk.exchanges()
    told = exchanges[len(exchanges) - len(plan.history) :]
    assert [(one.question, one.answer) for one in plan.history] == [
        (one.question, one.answer) for one in told
    ]
    assert sum(len(one.question) + len(one.answer) for one in told) <= room
    assert plan.dropped == len(exchanges) - len(told)
    assert (plan.kept, plan.documents) == ((), ())
    if plan.dropped:
        last = exchanges[plan.dropped - 1]
        assert sum(len(one.question) + len(one.answer) for one in [last, *told]) > room


@given(talks(), st.data())
def test_a_stale_answer_that_was_left_out_cuts_no_later_prompt(talk, data):
    """The next turn stores what was left out as left out."""
    assume(documents_of(talk))
    changed = data.draw(st.sampled_from(documents_of(talk)))
    gone = frozenset({changed})
    plan = planned(replace(talk, gone=gone))
    number = len(talk.turns)
    follows = plan.kept[-1].turn_id if plan.kept else None
    new = a_turn(number, plan.documents, history=plan.history, follows=follows, sources=plan.sources)
    later = Talk("conv_1", new.turn_id, (*plan.kept, new), texts=talk.texts, gone=gone)
    assert planned(later).kept == later.turns


@given(talks(), st.integers(0, 200), st.data())
def test_what_was_dropped_still_makes_later_answers_stale(talk, room, data):
    """They may repeat the text of a document that no turn in the chain has any more."""
    assume(documents_of(talk))
    plan = shortened(talk, room, len)
    assume(plan.history)
    changed = data.draw(st.sampled_from(documents_of(talk)))
    new = a_turn(len(talk.turns), history=plan.history, follows=None, sources=plan.sources)
    later = planned(Talk("conv_1", new.turn_id, (new,), gone=frozenset({changed})))
    exchanges = talk.exchanges()
    stale_from = next(n for n, exchange in enumerate(exchanges) if changed in exchange.sources)
    answers = ["" if n >= stale_from else one.answer for n, one in enumerate(exchanges)]
    assert [told.answer for told in later.history] == [*answers[plan.dropped :], ""]


def test_a_plan_begins_with_consecutive_turns():
    """Each follows the one before it."""
    talk = Talk("conv_1", "resp_2", tuple(a_turn(number, (f"d{number}",)) for number in range(3)))
    kept = planned(replace(talk, gone=frozenset({"d2"}))).kept
    assert all(later.follows == earlier.turn_id for earlier, later in pairwise(kept))
    assert len(kept) == 2

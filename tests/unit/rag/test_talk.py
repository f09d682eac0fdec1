"""Which earlier questions a question is searched for with."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.messages import Turn
from deployments.rag.talk import MAX_CHARS, MAX_QUESTIONS, talk_of
from tests.fakes import a_passage
from tests.unit.rag.rig import Rig, question

LONG = "old versions contract customer signed yesterday restored colleague overwrote budget folder archive"
turns = st.lists(st.builds(Turn, st.text(max_size=30), st.text(max_size=10)), max_size=12)


def talk(*questions):
    """A conversation with answers that say nothing new."""
    return tuple(Turn(text, "An answer.") for text in questions)


def test_the_last_questions_come_oldest_first_without_answers():
    """As they were asked, with single blanks."""
    history = talk("How many seats\n has Team?", "And how much storage?")
    assert talk_of("why?", history) == ("How many seats has Team?", "And how much storage?")


def test_questions_without_a_topic_do_not_hide_the_one_with_it():
    """Three questions that tell a topic are enough; those without one don't count, up to the sixth."""
    assert talk_of("why?", talk("Restore deleted files", "and then?", "why?", "how?", "and Business?")) == (
        "Restore deleted files",
        "and then?",
        "why?",
        "how?",
        "and Business?",
    )
    telling = talk("invite colleagues", "lock files", "export tasks", "cancel plans")
    assert talk_of("why?", telling) == ("lock files", "export tasks", "cancel plans")


def test_a_long_question_is_searched_for_alone():
    """One content word less, and it is not."""
    assert len(LONG.split()) == 12
    assert talk_of(LONG, talk("How many seats?")) == ()
    assert talk_of(LONG.rpartition(" ")[0], talk("How many seats?")) == ("How many seats?",)


@given(st.text(max_size=60), turns)
def test_a_talk_is_a_bounded_part_of_the_history(text, history):
    """In the history's order, without empty questions."""
    chosen = talk_of(text, history)
    earlier = [" ".join(turn.user.split()) for turn in history[-MAX_QUESTIONS:]]
    assert len(chosen) <= MAX_QUESTIONS
    assert all(chosen)
    assert not history or len(chosen) <= len(list(filter(None, earlier)))


def test_an_endless_question_is_cut():
    """The history has 200,000 characters at most; of one question, 400 are searched for."""
    (chosen,) = talk_of("why?", talk("word \n" * 40_000))
    assert len(chosen) == MAX_CHARS


async def test_a_question_without_history_is_searched_for_as_it_is():
    """The same query as if there were no conversations: it finds what was kept under it."""
    rig = Rig([a_passage()])
    await rig.answer()
    await rig.answer(question(history=talk("How many seats has Team?")))
    alone, in_talk = rig.retriever.queries
    assert alone.talk == ()
    assert in_talk.talk == ("How many seats has Team?",)


async def test_the_ledger_says_what_was_searched_for():
    """What the retriever reports, and nothing for given passages."""
    rig = Rig([a_passage()])
    history = talk("How many seats has Team?")
    assert (await rig.answer(question("and Business?", history=history))).searched_as == (
        "How many seats has Team? and Business?"
    )
    assert (await rig.answer(question("and Business?", passages=(a_passage(),)))).searched_as == ""

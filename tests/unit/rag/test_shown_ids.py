"""The ids that repeat an answer in the next prompt spell what the caller read, sampled ones if possible."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.token_ids import token_ids
from deployments.rag.shown_ids import shown_ids
from tests.fakes import FakeEncoder

ENCODER = FakeEncoder()
END = ENCODER.control_ids["<|im_end|>"]
texts = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=40)


def ids_of(text):
    """One id a character."""
    return token_ids(map(ord, text))


@given(texts)
def test_an_ended_answer_loses_only_the_end_of_its_turn(text):
    """The next prompt's scaffold has it."""
    assert shown_ids(ids_of(text) + token_ids([END]), text, ENCODER) == ids_of(text)


@given(texts, texts)
def test_a_stop_string_is_not_repeated(text, stop):
    """The engine cut it from the text, not from the ids."""
    assert shown_ids(ids_of(text + stop), text, ENCODER) == ids_of(text)


@given(texts, texts)
def test_a_control_token_in_an_answer_begins_no_turn(before, after):
    """What follows it is encoded again, as text."""
    sampled = ids_of(before) + token_ids([END]) + ids_of(after)
    shown = shown_ids(sampled, before + after, ENCODER)
    assert shown == ids_of(before + after)
    assert END not in shown


@given(texts, texts)
def test_ids_that_spell_something_else_are_not_used(sampled, text):
    """Such as those of a tokenizer whose decoder changes blanks."""
    assert ENCODER.decode(shown_ids(ids_of(sampled), text, ENCODER)) == text

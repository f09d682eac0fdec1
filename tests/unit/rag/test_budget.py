"""Room for documents: what is kept always fits, is never cut, and is the best of what was found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import PromptTooLong
from deployments.rag.budget import Budget, kept

sizes = st.lists(st.integers(1, 300), max_size=20)


@given(sizes, st.integers(0, 3000))
def test_what_is_kept_fits_and_one_more_would_not(found, room):
    """The kept prefix is within the room, and it is the longest one that is."""
    count = kept(found, room)
    assert sum(found[:count]) <= room
    assert count == len(found) or sum(found[: count + 1]) > room


def test_a_smaller_document_of_lower_rank_never_replaces_a_larger_one():
    """Nothing is kept that ranks below a document that does not fit."""
    assert kept([100, 500, 1], 200) == 1
    assert kept([500, 1, 1], 200) == 0


@pytest.mark.parametrize(("room", "count"), [(0, 0), (99, 0), (100, 1), (299, 1), (300, 2), (301, 2)])
def test_the_room_is_used_to_the_last_token(room, count):
    """A document that fits exactly is kept."""
    assert kept([100, 200], room) == count


def test_nothing_found_needs_no_room():
    """No documents are no reason for an error."""
    assert kept([], 0) == 0


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 5000), st.integers(1, 9000))
def test_a_prompt_with_its_answer_never_exceeds_the_model(model, context, answer, fixed):
    """Documents get what model and agent both allow; without room for the rest there is no prompt."""
    budget = Budget(max_model_len=model, max_context=context, max_answer=answer, fixed=fixed)
    if fixed + answer > model:
        with pytest.raises(PromptTooLong):
            _ = budget.for_documents
    else:
        assert 0 <= budget.for_documents <= context
        assert budget.for_documents + fixed + answer <= model
        assert budget.for_documents in {context, model - fixed - answer}


def test_the_refusal_says_by_how_much():
    """The caller learns what is too long and by how many tokens."""
    with pytest.raises(PromptTooLong, match="31 tokens too many") as refused:
        _ = Budget(max_model_len=100, max_context=50, max_answer=50, fixed=81).for_documents
    assert refused.value.param == "query"

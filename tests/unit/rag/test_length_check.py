"""What can't fit is refused early, and what may fit never is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import PromptTooLong
from deployments.core.messages import Turn
from deployments.core.token_ids import TokenIds
from deployments.rag.length_check import check_length
from tests.fakes import FakeEncoder
from tests.unit.rag.rig import Rig, question
from tests.unit.token_cache.families import encoder_of, gpt2_like

ENCODER = encoder_of(gpt2_like())
WORDS = st.sampled_from(["the ", "link", " " * 50, "a" * 90, "重", "\n\n", "0", "é"])


def refused(texts: list[str], max_model_len: int) -> bool:
    try:
        check_length(texts, ENCODER.encode_text, max_model_len)
    except PromptTooLong:
        return True
    return False


@given(st.lists(st.tuples(WORDS, st.integers(1, 3000)), max_size=4), st.integers(500, 4000))
def test_only_what_the_model_cannot_take_is_refused(parts: list[tuple[str, int]], limit: int) -> None:
    """Pieces have a few tokens more than the whole text, which must not count."""
    texts = [word * count for word, count in parts]
    tokens = sum(len(ENCODER.encode_text(text)) for text in texts)
    if refused(texts, limit):
        assert tokens > limit
    else:
        assert tokens <= 2 * limit or sum(map(len, texts)) <= limit


def test_no_more_is_tokenized_than_the_model_takes() -> None:
    """Of 200,000 characters in one message or in many."""
    encoder = FakeEncoder()
    for texts in (["x" * 200_000], ["x" * 200] * 1000):
        encoder.encoded.clear()
        with pytest.raises(PromptTooLong, match="more than 10240 tokens, and the model takes 8192"):
            check_length(texts, encoder.encode_text, 8192)
        assert sum(map(len, encoder.encoded)) <= 1.25 * 8192 + 4096


async def test_a_question_that_cannot_fit_is_not_searched_for() -> None:
    """It costs neither a search nor the tokens of its history."""
    rig = Rig(max_model_len=1000)
    long = tuple(Turn("x" * 400, "y" * 400) for _ in range(250))
    for asked in (question(history=long), question(instructions="x" * 200_000)):
        with pytest.raises(PromptTooLong):
            await rig.answer(asked)
    assert rig.retriever.queries == []
    assert sum(map(len, rig.encoder.encoded)) < 2 * (1250 + 4096)


def test_short_texts_are_not_counted_twice() -> None:
    """They are tokenized as parts of the prompt anyway."""

    def encode(text: str) -> TokenIds:
        raise AssertionError(text)

    check_length(["x" * 500, "", "y" * 500], encode, 1000)

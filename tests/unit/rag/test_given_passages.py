"""A question with given passages is answered from those, without a search."""

import pytest

from deployments.core.errors import PromptTooLong
from tests.fakes import a_passage
from tests.unit.rag.rig import HEAD, SPEC, Rig, question

TAIL = "<|im_end|>\n<|im_start|>user\nHow do I reset it?<|im_end|>\n<|im_start|>assistant\n"


async def test_given_passages_replace_found_ones_in_the_prompt():
    """As segments of the token cache, with all figures, as if they had been found."""
    rig, given = Rig([a_passage(1)]), (a_passage(7), a_passage(8))
    answer = await rig.answer(question(passages=given))
    assert rig.prompt_sent() == HEAD + given[0].segment + given[1].segment + TAIL
    assert rig.retriever.queries == []
    assert (answer.reuse.answer, answer.reuse.segments, answer.cache_hit) == ("generated", 2, True)
    assert [citation.doc_id for citation in answer.citations] == ["doc-7", "doc-8"]


async def test_no_passages_given_asks_the_model_without_any():
    """This differs from "nothing was found": the model answers from the question alone."""
    rig = Rig([a_passage(1)])
    answer = await rig.answer(question(passages=()))
    assert rig.prompt_sent() == HEAD + TAIL
    assert (answer.text, answer.reuse.answer, answer.reuse.segments) == ("Press Reset.", "generated", 0)
    assert not answer.cache_hit


async def fixed_tokens():
    """Of a prompt without documents, with the room for the answer."""
    answer = await Rig().answer(question(passages=()))
    return answer.reuse.prompt_tokens + SPEC.max_tokens


async def test_given_passages_have_to_fit_as_found_ones_have():
    """The lowest ranks are dropped; if none fits, the question is refused before the engine is asked."""
    short, long = a_passage(7), a_passage(8, body="long " * 500)
    room = await fixed_tokens() + len(short.segment) + 100
    answer = await Rig(max_model_len=room).answer(question(passages=(short, long)))
    assert answer.reuse.dropped == ("doc-8",)
    rig = Rig(max_model_len=room)
    with pytest.raises(PromptTooLong):
        await rig.answer(question(passages=(long, short)))
    assert rig.generator.requests == []


async def test_without_passages_the_question_has_to_fit_too():
    """To the token: the engine would refuse it later and with a worse message."""
    just_enough = Rig(max_model_len=await fixed_tokens())
    assert (await just_enough.answer(question(passages=()))).text == "Press Reset."
    one_less = Rig(max_model_len=await fixed_tokens() - 1)
    with pytest.raises(PromptTooLong):
        await one_less.answer(question(passages=()))
    assert one_less.generator.requests == []

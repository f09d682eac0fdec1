"""Chains of blocks: equal exactly where the tokens before a block's end are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.workload.prompts import Layout, Prompts

TOKENS = {document: 7 + 13 * document for document in range(6)}
orders = st.permutations(range(6)).flatmap(lambda p: st.integers(0, 6).map(lambda n: p[:n]))
layouts = st.builds(
    Layout,
    preamble_tokens=st.integers(0, 70),
    question_tokens=st.integers(1, 40),
    output_tokens=st.integers(0, 40),
    block_tokens=st.sampled_from([16, 32]),
)


def spelled(layout, documents, nonce):
    """A prompt's tokens. Each is the name of its source and its index there."""
    tokens = [("preamble", i) for i in range(layout.preamble_tokens)]
    for document in documents:
        tokens += [(document, i) for i in range(TOKENS[document])]
    rest = layout.question_tokens + layout.output_tokens
    return tokens + [(f"question {nonce}", i) for i in range(rest)]


@given(layouts, orders, orders, st.integers(0, 1), st.integers(0, 1))
def test_two_prompts_share_the_blocks_whose_tokens_they_share(layout, one, other, nonce, other_nonce):
    """Exactly those, also where one document ends and the next begins."""
    prompts, size = Prompts(TOKENS, layout), layout.block_tokens
    first, second = prompts.prompt(one, nonce), prompts.prompt(other, other_nonce)
    tokens, other_tokens = spelled(layout, one, nonce), spelled(layout, other, other_nonce)
    assert len(first.chain) == len(tokens) // size
    for index, (block, other_block) in enumerate(zip(first.chain, second.chain, strict=False)):
        end = (index + 1) * size
        assert (block == other_block) == (tokens[:end] == other_tokens[:end])


@given(layouts, orders)
def test_each_preamble_begins_other_prompts(layout, documents):
    """They share no block; in both as many blocks end with the documents or before."""
    prompts = Prompts(TOKENS, layout)
    first, second = (prompts.prompt(documents, 0, preamble) for preamble in (0, 1))
    assert set(first.chain).isdisjoint(second.chain)
    assert first.documents == second.documents
    end = layout.preamble_tokens + first.document_tokens
    assert first.documents == end // layout.block_tokens


@given(layouts, orders, st.integers(0, 100))
def test_only_documents_count_as_found(layout, documents, hit_blocks):
    """At most all of their tokens, and none until the whole preamble is found."""
    prompts = Prompts(TOKENS, layout)
    prompt = prompts.prompt(documents, 0)
    found = prompts.hit_tokens(prompt, hit_blocks)
    assert 0 <= found <= prompt.document_tokens == sum(TOKENS[document] for document in documents)
    assert found == 0 or found <= hit_blocks * layout.block_tokens - layout.preamble_tokens
    assert prompt.reusable * layout.block_tokens < prompt.prompt_tokens

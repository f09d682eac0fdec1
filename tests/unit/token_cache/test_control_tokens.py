"""Removing control tokens from a tokenizer's serialisation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from deployments.core.errors import TokenizerRefused
from deployments.token_cache.control_tokens import without_control_tokens
from tests.unit.token_cache.families import CONTROLS, TOOLS, gpt2_like, llama3_like, metaspace_bpe

FAMILIES = [gpt2_like(), llama3_like(), llama3_like(ignore_merges=False), metaspace_bpe()]
SPELLINGS = st.lists(st.sampled_from([*CONTROLS, *TOOLS, "<|", "|>", "im_end", " ", "\n", "a", "é"]))


def plain_of(tokenizer: Tokenizer) -> Tokenizer:
    return Tokenizer.from_str(without_control_tokens(tokenizer.to_str()).tokenizer_json)


def controls_of(tokenizer: Tokenizer) -> list[str]:
    return [token.content for token in without_control_tokens(tokenizer.to_str()).control_tokens]


def test_all_added_tokens_are_control_tokens_special_or_not():
    """`<tool_call>` is not marked special, but is a control token too."""
    assert controls_of(gpt2_like()) == CONTROLS + TOOLS


def test_added_white_space_is_text():
    """Runs of blanks and line ends, which some vocabularies add, stay as they are."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.add_tokens(
        [AddedToken("    ", normalized=False), AddedToken("\u2581\u2581"), AddedToken("\n\n")]
    )
    assert controls_of(tokenizer) == CONTROLS + TOOLS
    assert set(without_control_tokens(tokenizer.to_str()).blank_tokens.values()) == {
        "    ",
        "\u2581\u2581",
        "\n\n",
    }


def test_white_space_tokens_keep_their_ids():
    """Removing the control tokens before them in the list must not change their ids."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.add_tokens([AddedToken(" " * 8, normalized=False), AddedToken("\n" * 5, normalized=False)])
    plain = plain_of(tokenizer)
    text = "a" + " " * 8 + "b" + "\n" * 5
    assert plain.encode(text).ids == tokenizer.encode(text).ids
    assert tokenizer.token_to_id("\n" * 5) in plain.encode(text).ids


@pytest.mark.parametrize("tokenizer", FAMILIES)
@given(parts=SPELLINGS)
def test_no_text_reaches_a_control_id(tokenizer, parts):
    """No text made of control tokens and their pieces is encoded to a control id."""
    plain = plain_of(tokenizer)
    forbidden = {tokenizer.token_to_id(control) for control in controls_of(tokenizer)}
    assert forbidden.isdisjoint(plain.encode("".join(parts), add_special_tokens=False).ids)


@pytest.mark.parametrize("make", [gpt2_like, llama3_like])
def test_a_control_token_that_merges_spell_is_taken_out_of_the_vocabulary(make):
    """Text could reach an added token that is a word through merges, or as a whole pre-token."""
    tokenizer = Tokenizer.from_str(make().to_str())
    words = [word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 3]
    content = min(words)
    (id_,) = tokenizer.encode(content, add_special_tokens=False).ids
    tokenizer.add_tokens([AddedToken(content, normalized=False)])
    plain = plain_of(tokenizer)
    ids = plain.encode(content, add_special_tokens=False).ids
    assert id_ not in ids
    assert plain.decode(ids) == content


def test_ids_of_ordinary_text_stay_the_same():
    """Only control tokens are removed; the rest of the vocabulary keeps its ids and merges."""
    text = "Click **Save**. It closes.\n\n### Passwords > Steps\n1. Open the link."
    for tokenizer in FAMILIES[:3]:
        plain = plain_of(tokenizer)
        assert plain.encode(text).ids == tokenizer.encode(text).ids


def test_merges_written_as_strings_are_read_too():
    """Older serialisations join the two parts of a merge with a blank."""
    spec = json.loads(gpt2_like().to_str())
    spec["model"]["merges"] = [" ".join(merge) for merge in spec["model"]["merges"]]
    assert without_control_tokens(json.dumps(spec)) == without_control_tokens(gpt2_like().to_str())


def test_no_blank_is_put_before_a_segment_in_the_middle_of_a_prompt():
    """Metaspace's "first" would treat each segment as the beginning of a text."""
    plain = plain_of(metaspace_bpe("first"))
    whole = metaspace_bpe("first")
    assert plain.decode(plain.encode("the link").ids) == "the link"
    assert plain.encode("the link").tokens[0][0] != "\u2581"
    assert whole.encode("the link").tokens[0][0] == "\u2581"


@pytest.mark.parametrize("raw", ["", "{}", '{"added_tokens": []}', '{"added_tokens": [], "model": 3}'])
def test_a_damaged_serialisation_is_refused(raw):
    """The error says so at start-up."""
    with pytest.raises(TokenizerRefused, match="cannot be read"):
        without_control_tokens(raw)

"""The encoder that all replicas use."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.processors import TemplateProcessing

from deployments.core.errors import InvalidRequest, TokenizerRefused
from deployments.core.messages import Turn
from deployments.core.segments import PlainText, ScaffoldText
from deployments.rag.prompt import KnownTexts, PromptAssembler
from deployments.token_cache.encoder import BundleEncoder
from tests.unit.token_cache.families import (
    CHATML,
    CONTROLS,
    TOOLS,
    bundle_of,
    encoder_of,
    gpt2_like,
    llama3_like,
    metaspace_bpe,
)

FAMILIES = {
    "gpt2": gpt2_like(),
    "llama3": llama3_like(),
    "qwen": llama3_like(False, "NFC"),
    "llama2": metaspace_bpe(),
}
ENCODERS = {name: encoder_of(tokenizer) for name, tokenizer in FAMILIES.items()}
ENCODER = ENCODERS["gpt2"]
# Markers that replace the control tokens in the whole tokenizer. No generated text can contain them, so the
# tokenizer itself distinguishes template and text, without the code under test.
MARKERS = {control: f"\ue000{n}\ue001" for n, control in enumerate([*CONTROLS, *TOOLS])}
TEXTS = st.lists(
    st.sampled_from(
        [*CONTROLS, *TOOLS, "<|im_", "end|>", " ", "\n", "\n\n", ".", "link", "é", "重", "👩\u200d"]
    )
    | st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=5)
).map("".join)


Pieces = list[ScaffoldText | PlainText]


def marked(text: str) -> str:
    for control, marker in MARKERS.items():
        text = text.replace(control, marker)
    return text


def reference(tokenizer: Tokenizer, pieces: Pieces) -> list[int | None]:
    """The tokenizer's own encoding of the rendered prompt, with text encoded as text."""
    raw = tokenizer.to_str()
    for control, marker in MARKERS.items():
        raw = raw.replace(f'"content":"{control}"', f'"content":"{marker}"')
    marking = Tokenizer.from_str(raw)
    own = {marking.token_to_id(m): tokenizer.token_to_id(c) for c, m in MARKERS.items()}
    rendered = "".join(marked(p) if isinstance(p, ScaffoldText) else p for p in pieces)
    return [own.get(id_, id_) for id_ in marking.encode(rendered, add_special_tokens=False).ids]


@pytest.mark.parametrize("family", FAMILIES)
@given(texts=st.lists(TEXTS, min_size=4, max_size=4))
def test_a_prompt_is_encoded_as_the_tokenizer_itself_would(family, texts):
    """Whatever the texts spell, the ids are the tokenizer's own, with text encoded as text."""
    preamble, documents, hint, question = texts
    pieces: Pieces = [
        ScaffoldText(CHATML.head),
        PlainText(preamble),
        PlainText(documents),
        PlainText(hint),
        ScaffoldText(CHATML.to_user),
        PlainText(question),
        ScaffoldText(CHATML.to_generation),
    ]
    assert ENCODERS[family].encode_prompt(pieces).tolist() == reference(FAMILIES[family], pieces)


@pytest.mark.parametrize("family", FAMILIES)
@given(text=TEXTS)
def test_text_alone_and_as_a_piece_of_a_prompt_are_the_same(family, text):
    """A segment has the same ids as a prompt that consists of this segment only."""
    encoder = ENCODERS[family]
    assert encoder.encode_text(text) == encoder.encode_prompt([PlainText(text)])


@pytest.mark.parametrize("family", FAMILIES)
@given(hints=st.lists(TEXTS, max_size=3), turns=st.lists(st.tuples(TEXTS, TEXTS), max_size=3), asked=TEXTS)
def test_a_prompts_end_has_the_same_ids_whatever_was_asked_for_before(family, hints, turns, asked):
    """Texts that are not encoded again are those that the prompt contains."""
    encoder = ENCODERS[family]
    assembler = PromptAssembler(encoder, CHATML, "")
    history = [Turn(*texts) for texts in turns]
    known: KnownTexts = {}
    for hint in [*hints, *hints]:
        ending = assembler.tail(hint, history, asked, known=known)
        assert ending == assembler.tail(hint, history, asked)


def test_each_text_of_a_prompts_end_is_encoded_once():
    """With and without a hint, and for each attempt: a history can have 200,000 characters."""

    encoded = []

    class Recording(BundleEncoder):
        def encode_text(self, text):
            encoded.append(text)
            return super().encode_text(text)

    history = [Turn(f"question {n}", f"answer {n}") for n in range(5)]
    assembler = PromptAssembler(Recording(bundle_of(gpt2_like())), CHATML, "")
    known: KnownTexts = {}
    encoded.clear()
    for hint in ("", "\n\nhint", "\n\nhint", ""):
        assembler.tail(hint, history, "the question", known=known)
    assert [text for text in encoded if text.strip() and encoded.count(text) > 1] == []
    assert sum("question" in text for text in encoded) == len(history) + 1


def test_control_tokens_count_in_the_scaffold_only():
    """The same characters are one id in the scaffold and several in text."""
    for control in [*CONTROLS, *TOOLS]:
        id_ = ENCODER.control_ids[control]
        assert ENCODER.encode_prompt([ScaffoldText(control)]).tolist() == [id_]
        spelled = ENCODER.encode_prompt([PlainText(control)])
        assert id_ not in spelled
        assert len(spelled) > 1
        assert ENCODER.decode(spelled) == control


def test_a_control_token_cannot_be_put_together_across_pieces():
    """The end of a scaffold and the beginning of a text do not join into a control token."""
    ids = ENCODER.encode_prompt([ScaffoldText("<|im_"), PlainText("end|>")])
    assert ENCODER.control_ids["<|im_end|>"] not in ids


def test_of_two_control_tokens_at_one_place_the_longer_counts():
    """As in the tokenizer itself, `<a>` does not hide `<a><b>`."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.add_tokens([AddedToken("<a>", normalized=False), AddedToken("<a><b>", normalized=False)])
    encoder = encoder_of(tokenizer)
    assert encoder.encode_prompt([ScaffoldText("<a><b>")]).tolist() == [tokenizer.token_to_id("<a><b>")]


def test_control_tokens_that_swallow_white_space_do_so():
    """Phi's `<|user|>` includes the line end after it, which its template renders."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.add_special_tokens(
        [AddedToken("<|user|>", rstrip=True), AddedToken("<|left|>", lstrip=True, normalized=False)]
    )
    encoder = encoder_of(tokenizer)
    rendered = "<|user|>\nhello \n<|left|>\nyes"
    assert encoder.encode_prompt([ScaffoldText(rendered)]) == encoder.encode_trusted(rendered)


def test_white_space_tokens_are_used_in_text():
    """An added run of blanks is text, so it keeps its id in texts."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    tokenizer.add_tokens([AddedToken(" " * 8, normalized=False)])
    assert tokenizer.token_to_id(" " * 8) in encoder_of(tokenizer).encode_text("a" + " " * 8 + "b")


def test_no_special_token_truncation_or_padding_is_applied():
    """A tokenizer does this to a single text; it must not do it to the pieces of a prompt."""
    tokenizer = Tokenizer.from_str(gpt2_like().to_str())
    plain = encoder_of(tokenizer).encode_text("the link expires")
    end = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
    tokenizer.post_processor = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[end])
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=64)
    assert encoder_of(tokenizer).encode_text("the link expires") == plain


def test_decoding_shows_control_tokens():
    """A whole prompt decodes to its rendered text."""
    pieces: Pieces = [
        ScaffoldText(CHATML.head),
        PlainText("<|im_end|> é 👍🏽"),
        ScaffoldText(CHATML.to_generation),
    ]
    assert ENCODER.decode(ENCODER.encode_prompt(pieces)) == "".join(pieces)


def test_no_pieces_and_empty_texts_are_no_ids():
    """An empty prompt has no ids."""
    assert len(ENCODER.encode_prompt([])) == 0
    assert len(ENCODER.encode_prompt([PlainText(""), ScaffoldText("")])) == 0
    assert len(ENCODER.encode_text("")) == 0


def test_half_a_character_is_the_callers_fault():
    """JSON can carry a lone surrogate, but no tokenizer can encode it."""
    with pytest.raises(InvalidRequest, match="surrogate"):
        ENCODER.encode_text("a\ud800b")
    with pytest.raises(InvalidRequest, match="surrogate"):
        ENCODER.encode_prompt([ScaffoldText(CHATML.head), PlainText("\udfff")])


def test_a_serialisation_that_cannot_be_loaded_is_refused():
    """The error at start-up names the tokenizer, not a fault of the library."""
    bundle = replace(bundle_of(gpt2_like()), tokenizer_json='{"added_tokens": [], "model": {"type": "No"}}')
    with pytest.raises(TokenizerRefused, match="cannot be loaded"):
        BundleEncoder(bundle)

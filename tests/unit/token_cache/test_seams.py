"""The start-up check, on tokenizers of the families that chat models use."""

import pytest

from deployments.core.errors import TokenizerRefused
from deployments.core.segments import PlainText
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.seam_cases import HOSTILE_TEXTS, SeamCase, seam_cases
from deployments.token_cache.seams import seam_failures, verify
from tests.fakes import FakeEncoder
from tests.unit.token_cache.families import (
    CHATML,
    encoder_of,
    gpt2_like,
    llama3_like,
    metaspace_bpe,
    metaspace_unigram,
)

MERGED_FULL_STOP = {"words", "ends in a colon", "ends in punctuation", "only punctuation"}


@pytest.mark.parametrize("tokenizer", [gpt2_like(), metaspace_bpe("first")], ids=["gpt2", "llama2"])
def test_families_that_never_merge_across_a_seam_pass(tokenizer):
    """Segments joined are the tokenizer's own encoding of the rendered prompt, in every case."""
    assert verify(encoder_of(tokenizer), CHATML) == ()


@pytest.mark.parametrize("normalizer", [None, "NFC"])
def test_a_split_that_gives_line_ends_to_punctuation_is_reported_and_accepted(normalizer):
    """As in Llama 3 and Qwen: `.` and the blank line after it are one token, so such texts differ."""
    failures = verify(encoder_of(llama3_like(False, normalizer)), CHATML)
    assert {*failures} == MERGED_FULL_STOP | {"one after the other"}


def test_a_tokenizer_that_opens_each_piece_with_a_blank_fails_everywhere():
    """Llama 2's old way puts a blank before every segment. Reported only: the model can read it."""
    cases = seam_cases(CHATML, ())
    assert len(seam_failures(encoder_of(metaspace_bpe("always")), cases)) == len(cases)


@pytest.mark.parametrize(
    ("tokenizer", "case"),
    [
        (llama3_like(False, "Lowercase"), "words"),
        (llama3_like(False, "StripAccents"), "combining mark first"),
        (llama3_like(False, "NFKC"), "CJK without blanks"),
        (llama3_like(False, "Strip"), "words"),
        (gpt2_like(add_prefix_space=True), "words"),
        (metaspace_bpe("first", byte_fallback=False), "words"),
    ],
)
def test_a_tokenizer_that_loses_text_is_refused_with_the_case_named(tokenizer, case):
    """Case, accents, compatibility forms, white space and unknown characters all change the text."""
    with pytest.raises(TokenizerRefused, match=f"do not decode to the text; case: {case}$"):
        verify(encoder_of(tokenizer), CHATML)


def test_a_tokenizer_through_which_text_reaches_a_control_token_is_refused():
    """A Unigram vocabulary has `<unk>` as a piece, which unknown characters yield."""
    with pytest.raises(TokenizerRefused, match="control token '<unk>'"):
        verify(encoder_of(metaspace_unigram()), CHATML)


def test_canonical_equivalents_are_one_text():
    """NFC turns e and accent into é, which is the same text in Unicode, so it is no loss."""
    encoder = encoder_of(llama3_like(False, "NFC"))
    assert encoder.decode(encoder.encode_text("e\u0301")) == "é"
    verify(encoder, CHATML)


def test_a_scaffold_that_the_encoder_reads_differently_is_reported():
    """The check compares with the tokenizer's own encoding, not only with ours."""

    class Careless(BundleEncoder):
        def encode_trusted(self, rendered):
            return super().encode_trusted(rendered + "!")

    encoder = Careless(encoder_of(gpt2_like())._bundle)
    failures = verify(encoder, CHATML)
    assert "words (rendered)" in failures
    assert not any(name.startswith("every control token") for name in failures)


def test_seam_failures_name_the_cases_that_differ():
    """An encoder whose ids depend on where a run starts fails; one with an id per character passes."""

    class Opening(FakeEncoder):
        def encode_prompt(self, pieces, known=None):
            return super().encode_prompt([PlainText("^"), *pieces], known)

    cases = [
        SeamCase("split", ((PlainText("a"),), (PlainText("b"),))),
        SeamCase("whole", ((PlainText("a"),),)),
    ]
    assert seam_failures(FakeEncoder(), cases) == ()
    assert seam_failures(Opening(), cases) == ("split",)


def test_the_corpus_is_usable():
    """No text is blank or half a character, and each has its own prompt."""
    assert all(text.strip() and text.encode() for text in HOSTILE_TEXTS.values())
    names = [case.name for case in seam_cases(CHATML, ["<x>"])]
    assert len(names) == len(set(names)) == len(HOSTILE_TEXTS) + 2

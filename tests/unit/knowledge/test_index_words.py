"""Texts and questions are split into the same words, however an identifier is written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.core.words import folded
from deployments.knowledge.index_words import MAX_JOINED, index_words
from deployments.knowledge.search_terms import search_terms

ALIKE = [
    ("HB-4711", "HB 4711", "HB4711", "hb.4711", "ＨＢ－４７１１", "H\u00adB4711"),  # noqa: RUF001
    ("E-08", "E08", "e 08", "E\u201108"),
    ("KB5034441", "KB 5034441", "kb-5034441"),
    ("ERR_CONN_RESET", "err_conn_reset"),
]


def words(text: str) -> set[str]:
    return set(index_words(text))


@pytest.mark.parametrize("spellings", ALIKE)
def test_each_spelling_of_an_identifier_finds_every_other_one(spellings: tuple[str, ...]) -> None:
    for asked in spellings:
        identifiers = {term.word for term in search_terms(f"What is {asked}?") if term.is_identifier}
        assert identifiers, asked
        for written in spellings:
            assert identifiers & words(f"The lamp shows {written}, then stops."), (asked, written)


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("10.0.0.1", "10.0.0.11 and 100.0.1 and 10.0.1.0"),
        ("3.11.2", "3.1.12 and 31.1.2"),
        ("#48213", "#482130"),
        ("TW-4003", "4003 files of TW, or TW-4004"),
        ("config.yaml", "the config of compose.yaml"),
        ("E-08", "E-18, E-80 and 08 errors"),
    ],
)
def test_another_identifier_is_not_found(asked: str, written: str) -> None:
    identifiers = {term.word for term in search_terms(asked) if term.is_identifier}
    assert identifiers
    assert not identifiers & words(written)


def test_words_are_stems_without_case_and_accents() -> None:
    assert words("Uploading RÉSUMÉS") == words("uploads resume") == {"upload", "resum"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße", "STRASSE"), ("ＡＢ１２３", "ab123"), ("of\u00adfice", "oﬃce"), ("Ｇröße", "GRÖSSE")],  # noqa: RUF001
)
def test_words_that_readers_take_for_equal_are_equal(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("密码", "请在设置中重置密码。"),
        ("番号", "エラー番号AB123が表示された"),
        ("รหัสผ่าน", "กรุณาเปลี่ยนรหัสผ่านใหม่"),
        ("서버", "서버를 다시 시작하세요"),
        ("猫", "黒猫がいる"),
        ("AB123", "エラー番号ＡＢ１２３が表示された"),
    ],
)
def test_scripts_without_blanks_are_found_inside_a_sentence(question: str, text: str) -> None:
    terms = {term.word for term in search_terms(question)}
    assert terms
    assert terms <= words(text)


TEXTS = st.text() | st.text(st.sampled_from("aB4é.-_/ ßＡ密码が서ผ\u0301\u00ad\u200b"), max_size=30)


@given(TEXTS)
@example("TW-4003 in config.yaml at api.example.com, Straße, İstanbul")
@example("a.b.c.d.e.f.g.h")
def test_a_text_is_indexed_under_the_terms_of_an_equal_question(text: str) -> None:
    assert {term.word for term in search_terms(text)} <= words(text)


@given(TEXTS)
def test_forms_of_one_text_have_the_same_words(text: str) -> None:
    spread = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).upper())
    assert words(spread.lower()) == words(unicodedata.normalize("NFKC", text).upper())


@given(TEXTS)
def test_a_text_has_a_bounded_number_of_words(text: str) -> None:
    assert len(list(index_words(text))) <= 2 * MAX_JOINED * max(len(folded(text)), 1)

"""Words are compared without differences that readers overlook."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.words import folded, visible, words_of


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text())
def test_making_visible_again_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(st.text())
def test_what_a_search_normalises_folds_alike(text: str) -> None:
    """A question is made visible before it is folded, a stored text is not."""
    assert folded(visible(text)) == folded(text)
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Straße", "strasse"),
        ("Crème brûlée, Ångström", "creme brulee, angstrom"),
        ("ＨＢ－４７１１", "hb-4711"),  # noqa: RUF001
        ("of\u00adfice \ufb01le", "office file"),
        ("zero\u200bwidth \ufeffmark", "zerowidth mark"),
        ("İstanbul ΣΊΣΥΦΟΣ", "istanbul σισυφοσ"),
        ("が 서버 รหัสผ่าน", "が 서버 รหัสผ่าน"),
    ],
)
def test_folding(written: str, compared: str) -> None:
    assert folded(written) == compared


def test_words_are_runs_of_letters_digits_and_marks() -> None:
    assert list(words_of("TW-4003, déjà vu! \u0301")) == ["TW", "4003", "déjà", "vu"]

"""Questions that are one question are searched for as one."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import normalised

questions = st.text(st.sampled_from("aéE\u0301 \t\n\u00a0\u2003ß\uff21\u00ad\u200b"), max_size=20)


@given(questions)
def test_normalising_again_changes_nothing(question):
    assert normalised(normalised(question)) == normalised(question)


@given(questions)
def test_forms_and_white_space_make_no_difference(question):
    spread = "\n" + unicodedata.normalize("NFD", question).replace(" ", " \t ") + " "
    assert normalised(spread) == normalised(question)


@given(questions)
def test_upper_and_lower_case_stay(question):
    kept = "".join(char for char in question if char not in "\u00ad\u200b")
    assert normalised(question).split() == unicodedata.normalize("NFKC", kept).split()
    assert normalised("Reset TW-4003") != normalised("reset tw-4003")


def test_full_width_letters_and_invisible_characters_make_no_difference():
    assert normalised("Ｗｈａｔ　ｉｓ ＨＢ－４７１１") == "What is HB-4711"  # noqa: RUF001
    assert normalised("of\u00adfice \u200bdoor\ufeff") == "office door"

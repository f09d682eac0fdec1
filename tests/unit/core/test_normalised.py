"""Questions that are one question are searched for as one."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import normalised

questions = st.text(st.sampled_from("aéE\u0301 \t\n\u00a0\u2003ß"), max_size=20)


@given(questions)
def test_normalising_again_changes_nothing(question):
    assert normalised(normalised(question)) == normalised(question)


@given(questions)
def test_forms_and_white_space_make_no_difference(question):
    spread = "\n" + unicodedata.normalize("NFD", question).replace(" ", " \t ") + " "
    assert normalised(spread) == normalised(question)


@given(questions)
def test_words_stay_as_they_are(question):
    assert normalised(question).split() == unicodedata.normalize("NFC", question).split()
    assert normalised("Reset TW-4003") != normalised("reset tw-4003")

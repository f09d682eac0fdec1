"""Expected issues are found in spite of OCR errors, and not in words that only resemble them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.agents.issue_matching import (
    MAX_ISSUE_CHARS,
    MAX_ISSUES,
    URGENT_PHRASES,
    checked_issues,
    detected,
    urgent,
)
from deployments.core.errors import InvalidRequest

words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


def found(issue, *paragraphs):
    return detected([issue], paragraphs) == (issue,)


@pytest.mark.parametrize(
    ("issue", "text"),
    [
        ("error", "Error: it failed"),
        ("PARAMETER  is incorrect", "The parameter\nis incorrect."),
        ("timed-out", "Request timed out"),
        ("user_id", "KeyError: 'user_id'"),
        ("Grösse", "GRO\u0308SSE überschritten"),
        ("0x80070057", "Error Ox80070057: The"),
        ("Ox80070057", "error 0X80070057"),
        ("0xC000000F", "at OxCo00000F"),
        ("failed", "login fai1ed"),
        ("login failed", "Login faiIed"),
        ("e101", "E1O1"),
        ("connection", "c0nnecti0n lost"),
        ("404", "HTTP 4O4"),
    ],
)
def test_issues_are_found_whatever_case_signs_and_ocr_made_of_them(issue, text):
    assert found(issue, text)


@pytest.mark.parametrize(
    ("issue", "text"),
    [
        ("error", "errors and terror in mirrors"),
        ("0x80070057", "Error 0x80070005"),
        ("fail", "fall back"),
        ("mail", "the mall"),
        ("10", "lo"),
        ("1055", "lOSS"),
        ("101", "lol"),
        ("s3", "53"),
        ("io", "i0"),
        ("disk full", "full disk"),
        ("disk full", "disk is full"),
        ("enable", "unable"),
        ("data loss", "data"),
    ],
)
def test_issues_are_not_found_in_what_only_resembles_them(issue, text):
    assert not found(issue, text)


def test_a_phrase_runs_over_lines_but_not_over_paragraphs():
    assert found("update failed", "the update\nfailed")
    assert not found("update failed", "the update", "failed")


@given(st.lists(words, min_size=1, max_size=12), st.data())
def test_any_run_of_words_is_found_in_any_case(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert found(" ".join(text[start:end]).upper(), " ".join(text))


@given(st.lists(words, max_size=12), words)
def test_a_word_of_letters_matches_itself_only(text, issue):
    assert found(issue, " ".join(text)) == (issue in text)


def test_issues_come_back_in_the_order_given():
    assert detected(["c", "b", "a"], ["a b", "c d"]) == ("c", "b", "a")


def test_repeated_issues_are_looked_for_once():
    assert checked_issues(["a", "b", "a"]) == ("a", "b")


@pytest.mark.parametrize(
    "issues",
    [
        "crash",
        [""],
        ["..."],
        ["ok", "_"],
        ["x" * (MAX_ISSUE_CHARS + 1)],
        ["a"] * (MAX_ISSUES + 1),
        [3],
        [None],
    ],
)
def test_issues_that_cannot_be_looked_for_are_refused(issues):
    with pytest.raises(InvalidRequest) as refused:
        checked_issues(issues)
    assert refused.value.param == "expected_issues"


@pytest.mark.parametrize("phrase", URGENT_PHRASES)
def test_each_urgent_phrase_is_urgent(phrase):
    assert urgent([f"Warning: {phrase.upper()}!"])


@pytest.mark.parametrize(
    "text", ["crashpad", "insecurity", "data", "uncritical", "loss of data", "Retry | Cancel", ""]
)
def test_nothing_else_is_urgent(text):
    assert not urgent([text])

"""A snippet is the part of a text that matches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.search_terms import search_terms
from deployments.knowledge.snippets import snippet


def cut(text: str, question: str) -> str:
    return snippet(text, {term.word for term in search_terms(question)})


def test_a_short_text_is_its_own_snippet() -> None:
    assert cut("A needle\n\nin hay.", "needle") == "A needle in hay."


def test_the_part_with_most_words_is_chosen() -> None:
    text = f"needle {'hay ' * 100} The needle lies below a TW-4003 lamp. {'straw ' * 100}"
    chosen = cut(text, "Which needle is TW-4003?")
    assert "needle lies below a TW-4003 lamp" in chosen
    assert chosen.startswith("…")
    assert chosen.endswith("…")
    assert len(chosen) <= 250


def test_words_are_compared_as_in_the_index() -> None:
    assert "STRASSE" in cut(f"{'hay ' * 100} STRASSE {'hay ' * 100}", "straße")
    assert "密码" in cut(f"{'请在设置中' * 60}重置密码{'请在设置中' * 60}", "密码")


@given(st.text(), st.text())
def test_every_text_but_a_blank_one_has_a_snippet_of_its_own(text: str, question: str) -> None:
    chosen = cut(text, question)
    assert bool(chosen) == bool(text.split())
    assert chosen.removeprefix("…").removesuffix("…") in " ".join(text.split())

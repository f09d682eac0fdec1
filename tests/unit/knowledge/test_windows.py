"""Long texts are embedded in windows that the model reads whole, together with its prompt."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.embedding import _DOCUMENT, _QUERY, _windows

_ENDS = 2


class _WordTokenizer:
    """One id a word."""

    def __call__(self, text: str, **_: Any) -> dict[str, list[Any]]:
        found = list(re.finditer(r"\S+", text))
        return {"input_ids": found, "offset_mapping": [word.span() for word in found]}

    def num_special_tokens_to_add(self) -> int:
        return _ENDS


class _Model:
    """A model with a limit and prompts."""

    tokenizer = _WordTokenizer()

    def __init__(self, limit: int | None, prompts: dict[str, str]) -> None:
        self.max_seq_length = limit
        self.prompts = prompts


texts = st.lists(st.text("ab \n", max_size=200), max_size=4)


@given(texts, st.integers(8, 40))
def test_a_window_fits_with_prompt_and_ends(written: list[str], limit: int) -> None:
    """Nothing is lost or repeated, and no text has more windows than it needs."""
    model = _Model(limit, {"query": "query: ", "passage": "a passage : "})
    for role, prompt_words in ((_QUERY, 1), (_DOCUMENT, 3)):
        for text, windows in zip(written, _windows(model, role, written), strict=True):
            assert "".join(windows) == text
            room = limit - _ENDS - prompt_words
            assert all(len(window.split()) <= room for window in windows)
            assert len(windows) == max(-(-len(text.split()) // room), 1)


def test_a_model_without_a_limit_reads_all() -> None:
    assert _windows(_Model(None, {}), _QUERY, ["a " * 9_000]) == [["a " * 9_000]]


def test_a_prompt_is_the_first_that_the_model_has() -> None:
    """By the names that the library looks for."""
    model = _Model(9, {"passage": "P: ", "document": "D: ", "other": "O: "})
    assert _DOCUMENT.prompt(model) == "D: "
    assert _QUERY.prompt(model) == ""

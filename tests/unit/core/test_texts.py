"""What is taken for storing can be stored."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.texts import check_storable, check_text


@given(st.text(st.characters()))
@example("a\0b")
@example("half \ud83d of a character")
def test_a_text_is_taken_if_a_database_takes_it(text: str) -> None:
    """NUL is no text to PostgreSQL, and lone surrogates have no bytes in UTF-8."""
    if "\0" not in text and text.encode(errors="ignore").decode() == text:
        check_storable(text, "title")
        check_text(text, "title", len(text), may_be_empty=True)
        return
    with pytest.raises(InvalidRequest) as refused:
        check_storable(text, "title")
    assert refused.value.param == "title"
    with pytest.raises(InvalidRequest):
        check_text(text, "title", len(text), may_be_empty=True)

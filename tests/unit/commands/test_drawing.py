"""What is drawn on a terminal, and what a selection of files has: pure functions."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InternalFault, InvalidRequest, Overloaded, Unavailable, WarmlineError
from serve_app.commands.exit_codes import ExitCode, exit_code
from serve_app.commands.ingest_files import Selection
from serve_app.commands.ledger import bar
from serve_app.commands.terminal import clean, counted

NAME = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip("."))


@given(st.text(st.characters()))
def test_clean_text_commands_no_terminal(text: str) -> None:
    """Whatever it was; other characters stay, and it can be encoded."""
    cleaned = clean(text)
    assert all(unicodedata.category(one) != "Cc" or one in "\n\t" for one in cleaned)
    cleaned.encode()
    if text.isprintable():
        assert cleaned == text


def test_one_of_a_thing_has_no_plural() -> None:
    """All other numbers do, 0 too."""
    assert [counted(number, "passage") for number in (0, 1, 2, 1200)] == [
        "0 passages",
        "1 passage",
        "2 passages",
        "1,200 passages",
    ]


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(1, 80))
def test_a_bar_has_its_width(part: float, whole: float, cells: int) -> None:
    """Whatever it shows; it is full if all of it is shown."""
    assert len(bar(part, whole, cells)) == cells
    if part >= whole > 0:
        assert bar(part, whole, cells) == "█" * cells


@given(st.lists(st.lists(NAME, min_size=1, max_size=3), max_size=5), st.lists(NAME, max_size=2))
def test_a_selection_covers_the_ids_below_its_paths(ids: list[list[str]], chosen: list[str]) -> None:
    """And no others, also if their names begin alike."""
    root = Path("/root")
    selection = Selection(root, tuple(root / name for name in chosen), ())
    for parts in ids:
        assert selection.covers("/".join(parts)) == (parts[0] in chosen)
    assert Selection(root, (root,), ()).covers("any/thing")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("x"), ExitCode.UNREACHABLE),
        (Overloaded("x"), ExitCode.UNREACHABLE),
        (InvalidRequest("x"), ExitCode.REFUSED),
        (InternalFault("x"), ExitCode.FAILED),
        (RuntimeError("x"), ExitCode.FAILED),
    ],
)
def test_an_error_has_an_exit_code(error: Exception, code: ExitCode) -> None:
    """By which a script knows whether to try again."""
    assert exit_code(error) is code


def test_every_error_of_the_application_has_one() -> None:
    """Of the whole tree."""
    kinds = [WarmlineError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert exit_code(kind("x")) in set(ExitCode)

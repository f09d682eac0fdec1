"""The text of a document segment: where it may merge with its neighbours, and where it must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.segments import document_segment

texts = st.text(max_size=60)
bodies = texts.filter(lambda text: text.strip() != "")


@given(texts, texts, bodies)
def test_a_segment_starts_with_the_delimiter_and_ends_in_its_body(title, heading, body):
    """Delimiter first and stripped body last, so that no seam has white space on its left side."""
    segment = document_segment(title, heading, body)
    assert segment.startswith("\n\n###")
    assert segment == segment.rstrip()
    assert segment.endswith("\n" + body.strip())


@given(texts, texts, bodies)
def test_title_and_heading_stay_on_one_line(title, heading, body):
    """A line break in a title can't begin a line of its own."""
    header = document_segment(title, heading, body).removesuffix("\n" + body.strip())
    assert header.startswith("\n\n###")
    assert len(header.removeprefix("\n\n").splitlines()) == 1


@pytest.mark.parametrize("body", ["", " ", "\n\t\n", "\u00a0\u2003"])
def test_a_blank_body_is_refused(body):
    """A segment without a body would be only a delimiter."""
    with pytest.raises(ValueError, match="blank"):
        document_segment("Title", "Heading", body)


@pytest.mark.parametrize(
    ("title", "heading", "expected"),
    [
        ("Reset", "", "\n\n### Reset\nBody"),
        ("Reset", "Phone > Lost", "\n\n### Reset > Phone > Lost\nBody"),
        ("", "Phone", "\n\n### Phone\nBody"),
        ("", "", "\n\n###\nBody"),
        (" Re\n\n### set ", "\t", "\n\n### Re ### set\nBody"),
    ],
)
def test_the_exact_text(title, heading, expected):
    """One byte of difference would be another key, so the text is fixed here, case by case."""
    assert document_segment(title, heading, "  Body\n") == expected

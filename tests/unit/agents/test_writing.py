"""The prompt for writing documentation, and the id of the document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.agents.specs import SECTIONS
from deployments.agents.writing import document_id, writing_prompt
from deployments.core.ids import doc_id
from deployments.core.limits import MAX_TOPIC_CHARS


@given(st.text(max_size=MAX_TOPIC_CHARS))
def test_every_topic_has_a_usable_id(topic):
    """It ends with what makes it unique."""
    made = document_id(topic, "0123456789ab")
    assert doc_id(made) == made
    assert made.endswith("-0123456789ab")


@pytest.mark.parametrize(
    ("topic", "slug"),
    [
        ("How to sign in", "how-to-sign-in"),
        ("  Größe & Maße!  ", "groe-mae"),
        ("漢字", "document"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 100, "x" * 60),
        ("a" * 59 + " b", "a" * 59),
    ],
)
def test_an_id_contains_the_ascii_letters_of_its_topic(topic, slug):
    """Words joined by dashes."""
    assert document_id(topic, "0") == f"{slug}-0"


@pytest.mark.parametrize("doc_type", SECTIONS)
def test_each_type_of_document_is_asked_for_in_words_of_its_own(doc_type):
    """The task follows the material, on one line."""
    prompt = writing_prompt("Sign\n in", doc_type, "def f(): ...", "must be fast")
    assert prompt.startswith("### Source code\ndef f(): ...\n\n### Specifications\nmust be fast\n\nWrite a")
    assert prompt.endswith("\nTopic: Sign in")
    assert len({writing_prompt("t", kind, None, None) for kind in SECTIONS}) == len(SECTIONS)


def test_material_that_was_not_given_has_no_heading():
    """An empty one would be an invitation to make something up."""
    prompt = writing_prompt("t", "api", None, "")
    assert "###" not in prompt

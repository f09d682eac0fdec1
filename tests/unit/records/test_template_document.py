"""Templates as documents: all of the data, in a readable form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.records.ideas import IdeaText
from deployments.core.records.templates import Template, TemplateDraft, template_wordings
from deployments.knowledge.readers.loaders import load
from deployments.records.template_document import document_of, idea_text, template_text
from tests.fake_business import ACME, a_template, an_idea


def rendered(data: dict[str, Any] | None = None, **changes: Any) -> str:
    draft = a_template(template_data={"name": "N", **data}, **changes) if data else a_template(**changes)
    return document_of(Template(ACME, "t", draft, 1, 0.0, 0.0)).raw.decode()


def test_a_template_reads_as_a_document() -> None:
    """Paragraphs with labels, lists with items, numbers as people write them."""
    metrics = {"success_score": 0.88, "monthly_revenue_usd": 24490.0, "churn": -1.5, "share": 1e-7}
    assert rendered(success_metrics=metrics) == (
        "Business type: saas\n\n"
        "Summary: Alpha planner plans shifts for small clinics.\n\n"
        "Target audience: Head nurses\n\n"
        "Monetization model: $79 a month\n\n"
        "Mvp features:\n- Import\n- Rule check\n- Swaps\n\n"
        "Tech stack:\n- Django\n- PostgreSQL\n\n"
        "Success metrics:\n- success score: 0.88\n- monthly revenue usd: 24490\n- churn: -1.5\n- share: 1e-07"
    )


def test_title_section_and_id_are_those_of_the_template() -> None:
    document = document_of(Template(ACME, "t-1", a_template("Two\nlines"), 1, 0.0, 0.0))
    assert (document.doc_id, document.title, document.section) == ("t-1", "Two lines", "saas")
    assert document.media_type == "text/markdown"


def test_nested_data_becomes_nested_lists() -> None:
    text = rendered({"plan": {"year_one": [1, {"goal": "x"}], "flat": True}, "empty": [], "none": None})
    assert "Plan:\n- year one:\n  - 1\n  -\n    - goal: x\n- flat: True\n" in text + "\n"
    assert "mpty" not in text
    assert "one:" in text


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=9)
values = st.recursive(
    words | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(words, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


@given(st.dictionaries(words.filter(lambda key: key not in {"name", "asked_as"}), values, max_size=4))
def test_nothing_of_the_data_is_lost(data: dict[str, Any]) -> None:
    """In the document, and in the text to compare if the data has no part of an idea."""
    text = rendered(data or {"k": "v"})
    assert all(str(leaf) in text for leaf in leaves(data))
    compared = template_text(a_template(template_data={"name": "N", **data}))
    assert all(str(leaf) in compared for leaf in leaves(data))


async def test_wordings_are_for_search_and_not_in_prompts() -> None:
    """`asked_as` becomes the document's wordings. Neither its text nor the text to compare has them."""
    draft = a_template(template_data={"name": "N", "summary": "s", "asked_as": ["something with vans"]})
    document = document_of(Template(ACME, "t", draft, 1, 0.0, 0.0))
    assert (load(document)).asked_as == ("something with vans",)
    assert "vans" not in document.raw.decode() + template_text(draft)


@pytest.mark.parametrize("wordings", ["a text", [1], ["w"] * 3 + ["x" * 501], [str(i) for i in range(51)]])
def test_wordings_that_a_document_would_refuse_are_refused_with_the_template(wordings: Any) -> None:
    """When the template is stored. A template that an older version stored is read without wordings."""
    with pytest.raises(InvalidRequest, match="asked_as"):
        template_wordings({"name": "N", "asked_as": wordings})
    draft = a_template(template_data={"name": "N", "asked_as": wordings})
    assert document_of(Template(ACME, "t", draft, 1, 0.0, 0.0)).asked_as == ()


@pytest.mark.parametrize(
    "text", ["---\ntitle: Mine\n---\nx", "# Heading\n\ntext", "```\ncode", "| a |\n|---|"]
)
async def test_markdown_in_a_template_does_not_become_structure_of_its_document(text: str) -> None:
    """It makes no front matter and no headings."""
    draft = a_template(template_data={"name": "N", "summary": text, "list": [text]})
    loaded = load(document_of(Template(ACME, "t", draft, 1, 0.0, 0.0)))
    assert (loaded.title, loaded.section) == ("N", "saas")
    assert not any(line.startswith(("#", "---", "```")) for line in loaded.text.splitlines())


def test_an_idea_and_a_template_of_the_same_parts_are_compared_as_the_same_text() -> None:
    """So a copy is similar to its original, whatever else the template contains."""
    idea = IdeaText("N", "What it does", "People", "Fees", ("a", "b", "c"), ("d", "e"))
    data = {
        "name": "N",
        "summary": "What it does",
        "target_audience": "People",
        "monetization_model": "Fees",
        "mvp_features": ["a", "b", "c"],
        "tech_stack": ["d", "e"],
        "risks": ["many"],
    }
    draft = TemplateDraft(a_template().business_type, data, {"success_score": 0.1})
    assert template_text(draft) == idea_text(idea)
    assert idea_text(an_idea(1)) != idea_text(an_idea(2))

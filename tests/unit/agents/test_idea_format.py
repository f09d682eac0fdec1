"""One form for the engine and for reading what it wrote."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.agents.idea_format import IDEA_SCHEMA, UnusableIdea, example_of, parse_idea
from tests.fake_business import a_template, an_idea, written

SCHEMA = json.loads(IDEA_SCHEMA)


def changed(**fields: Any) -> str:
    return json.dumps(asdict(an_idea()) | fields)


def reason_of(text: str, finish_reason: str = "stop") -> str:
    with pytest.raises(UnusableIdea) as refused:
        parse_idea(text, finish_reason)
    return refused.value.reason


def test_a_whole_idea_is_read() -> None:
    assert parse_idea(written(an_idea()), "stop") == an_idea()


def test_every_text_becomes_one_line() -> None:
    text = changed(name="  Two\n lines ", mvp_features=["a\tb c", "ddd", "eee"])
    idea = parse_idea(text, "stop")
    assert (idea.name, idea.mvp_features[0]) == ("Two lines", "a b c")


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        (written(an_idea())[:-20], "length", "truncated"),
        ("", "length", "truncated"),
        ("", "stop", "not_json"),
        ("I have an idea!", "stop", "not_json"),
        (written(an_idea())[:-20], "stop", "not_json"),
        ('{"name": "\\ud83d"}', "stop", "not_json"),
        ("[]", "stop", "schema"),
        ("{}", "stop", "schema"),
        (changed(name="ab"), "stop", "schema"),
        (changed(name="x" * 61), "stop", "schema"),
        (changed(name=7), "stop", "schema"),
        (changed(name=None), "stop", "schema"),
        (changed(revenue_score=99), "stop", "schema"),
        (changed(mvp_features=["one", "two"]), "stop", "schema"),
        (changed(mvp_features=["one"] * 6), "stop", "schema"),
        (changed(tech_stack="Django"), "stop", "schema"),
        (changed(name=" " * 5), "stop", "blank"),
        (changed(tech_stack=[" ", "Django"]), "stop", "blank"),
        (changed(description="a\0b" * 10), "stop", "blank"),
    ],
)
def test_each_kind_of_unusable_answer_has_its_reason(text: str, finish_reason: str, reason: str) -> None:
    assert reason_of(text, finish_reason) == reason


def test_an_idea_that_is_whole_at_its_last_token_counts() -> None:
    assert parse_idea(written(an_idea()), "length") == an_idea()


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=350)
forms = st.dictionaries(
    st.sampled_from((*asdict(an_idea()), "extra")), words | st.lists(words, max_size=7) | st.integers()
)


@given(st.booleans().flatmap(lambda whole: forms.map(lambda f: asdict(an_idea()) | f if whole else f)))
def test_the_schema_given_to_the_engine_is_what_is_read(form: dict[str, Any]) -> None:
    """What one accepts the other does, but for blank texts, which no schema excludes."""
    fits = jsonschema_rs.is_valid(SCHEMA, form)
    try:
        parse_idea(json.dumps(form), "stop")
        read = True
    except UnusableIdea as why:
        read = why.reason == "blank"
    assert fits == read


def test_a_template_is_shown_in_the_form_of_an_idea() -> None:
    """As compact as the engine has the model write."""
    draft = a_template("Alpha")
    example = example_of(draft.template_data)
    assert example is not None
    idea = parse_idea(example, "stop")
    assert (idea.name, idea.description) == ("Alpha", "Alpha plans shifts for small clinics.")
    assert idea.mvp_features == ("Import", "Rule check", "Swaps")
    assert '","' in example


def test_long_parts_of_a_template_are_cut_at_words() -> None:
    data = dict(a_template().template_data) | {
        "summary": "many words " * 50,
        "name": "x" * 100,
        "mvp_features": ["one feature"] * 9,
    }
    example = example_of(data)
    assert example is not None
    idea = parse_idea(example, "stop")
    assert idea.description.endswith("words") or idea.description.endswith("many")
    assert (len(idea.name), len(idea.mvp_features)) == (60, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"summary": None},
        {"summary": ["not", "text"]},
        {"mvp_features": "one"},
        {"mvp_features": [{"name": "nested"}]},
        {"mvp_features": ["one"]},
        {"tech_stack": None},
        {"tech_stack": {"backend": "Django"}},
        {"target_audience": ""},
    ],
)
def test_a_template_that_lacks_a_part_is_no_example(change: dict[str, Any]) -> None:
    assert example_of(dict(a_template().template_data) | change) is None


def test_every_sample_template_can_be_an_example() -> None:
    from deployments.knowledge.samples import SAMPLES

    entries = json.loads((SAMPLES / "business_templates.json").read_text())
    assert len(entries) >= 40
    assert all(example_of(entry["template_data"]) for entry in entries)

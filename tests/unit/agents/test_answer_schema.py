"""Which JSON Schemas answers may have to fit: the limits, and what the engine could not enforce."""

import json
from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from deployments.agents import answer_schema
from deployments.agents.answer_schema import check_answer_schema
from deployments.agents.pattern_size import pattern_size
from deployments.core.errors import InvalidRequest

KEYWORDS = st.sampled_from([*sorted(answer_schema._KNOWN), "uniqueItems", "x"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=3),
    max_leaves=8,
)


class Step(BaseModel):
    """As users of Pydantic write it."""

    title: str
    kind: Literal["click", "type"]
    minutes: int = Field(ge=0, le=60)
    next: "Step | None" = None


class Guide(BaseModel):
    """With a list, a union, a nested model and a default."""

    steps: list[Step] = Field(min_length=1, max_length=5)
    link: str | None = None
    score: float = 0.5


def an_object(count, field, **more):
    names = [f"p{number}" for number in range(count)]
    return {"type": "object", "properties": dict.fromkeys(names, field), "required": names, **more}


SELF_NESTED = {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/a"}} for _ in range(49)]}
DOUBLING = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 24)} | {
    "a0": {"type": "null"},
    "a24": {"$ref": "#/$defs/a23"},
    "a25": {"$ref": "#/$defs/a24"},
}
LISTS = {"anyOf": [{"type": "array", "items": {"type": "string"}}] * 10}
OPTIONAL_LIST = {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}


def nested(depth):
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        Step.model_json_schema(),
        Guide.model_json_schema(),
        an_object(100, {"type": ["string", "null"], "description": "x"}, additionalProperties=False),
        {"type": "object", "additionalProperties": {"type": "integer"}},
        nested(10),
        {"enum": list(range(500))},
        {"anyOf": [{"const": n} for n in range(50)]},
        {"oneOf": [{"const": "a"}, {"const": "b"}], "discriminator": {"propertyName": "kind"}},
        an_object(100, {"type": "string", "format": "email"}),
        an_object(20, {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,295}$"}),
        {"type": "string", "minLength": 5, "maxLength": 10_000},
        {"allOf": [{"type": "integer", "minimum": 1}, {"multipleOf": 7}], "title": "weeks"},
        {"$defs": {"name": {"type": "string"}}, "$ref": "#/$defs/name", "maxLength": 3},
        {"type": "array", "minItems": 2},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        an_object(25, OPTIONAL_LIST),
        LISTS,
        {"type": "array", "prefixItems": [True, {"type": "integer"}], "maxItems": 2},
        {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"},
    ],
)
def test_what_models_of_pydantic_need_is_allowed(schema):
    """And each limit's last allowed value."""
    check_answer_schema(json.dumps(schema))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", "must be JSON"),
        ("[" * 9000, "must be JSON"),
        (json.dumps({"description": "x" * 10_000}), "at most 10000"),
        ([], "must be an object"),
        (nested(11), "11 levels .* at most 10"),
        (an_object(101, {}), "101 properties .* at most 100"),
        ({"enum": list(range(501))}, "501 values .* at most 500"),
        ({"anyOf": [{}] * 51}, "51 branches .* at most 50"),
        ({"type": "array", "uniqueItems": True}, "'uniqueItems' can't be enforced: say it in a description"),
        ({"oneOf": [{"type": "string"}, {}]}, "oneOf constraints are not supported"),
        (an_object(21, {"type": "string", "pattern": "a"}), "21 patterns; at most 20"),
        ({"anyOf": [{"type": "string", "pattern": f"^{n}.{{20}}$"} for n in range(3)]}, "at most 60"),
        ({"anyOf": [{"items": {"type": "string"}, "maxItems": n} for n in range(11)]}, "11 arrays"),
        ({"$ref": "#/$defs/a", "$defs": {"a": SELF_NESTED}}, "49 arrays.* at most 10"),
        ({"anyOf": [{"$ref": "#/$defs/a"}] * 11, "$defs": {"a": {"type": ["null", "array"]}}}, "11 arrays"),
        ({"anyOf": [{"allOf": [{"type": "string", "format": "uri"}]}] * 11}, "11 arrays, or strings"),
        ({"type": "string", "pattern": "^.*a.{200}$"}, "characters; at most 300"),
        (
            {"anyOf": [{"anyOf": [{"type": "string", "pattern": f"^{n}.{{20}}$"}]} for n in range(3)]},
            "at most 60",
        ),
        ({"anyOf": [{"$ref": "#/$defs/a25"}, {}], "$defs": DOUBLING}, "at most 1000"),
        ({"maxLength": 10_001}, "maxLength must be a whole number up to 10000"),
        ({"maxItems": 10_001}, "maxItems must be a whole number up to 10000"),
        ({"maxItems": True}, "maxItems must be"),
        ({"minItems": -1}, "minItems must be"),
        ({"minimum": 1e16}, "minimum must be a number"),
        ({"type": "array", "minItems": 2, "maxItems": 1}, "minItems .* greater than maxItems"),
        ({"type": "integer", "exclusiveMinimum": 2, "maximum": 1}, "minimum .* greater than maximum"),
        ({"type": "string", "minLength": 2, "maxLength": 1}, "minLength .* greater than maxLength"),
        ({"type": "string", "pattern": "^(.{0,50}){50}$"}, "2502 characters; at most 300"),
        ({"type": "string", "pattern": "("}, "regex parse error"),
        ({"type": "string", "pattern": "a(?=b)"}, "look-around"),
        ({"type": "string", "pattern": 5}, "pattern must be a text"),
        ({"\ud800" * 9: 1}, "half of a character"),
        ('{"description": "\ud800"}', "half of a character"),
        ({"properties": {"a": {"enum": ["\udc00"]}}}, "half of a character"),
        ({"maximum": float("nan")}, "numbers must be finite"),
        ({"const": float("nan")}, "numbers must be finite"),
        ({"default": [float("inf")]}, "numbers must be finite"),
        ('{"enum": [-1e999]}', "numbers must be finite"),
        ({"type": "text"}, "type must be one of"),
        ({"type": []}, "type must be one of"),
        ({"format": "ipv5"}, "format must be one of"),
        ({"enum": []}, "enum must not be empty"),
        ({"anyOf": []}, "anyOf must not be empty"),
        ({"anyOf": {}}, "anyOf must be a list"),
        ({"properties": []}, "properties must be an object"),
        ({"properties": {"a": False}}, "must be an object, or true"),
        ({"properties": {}, "required": ["a"]}, "required must name"),
        ({"$ref": "https://example.com/schema"}, r"\$ref must be #"),
        ({"properties": {"a": {}, "b": {"$ref": "#/properties/a"}}}, r"\$ref must be #"),
        ({"$ref": 5}, r"\$ref must be #"),
        ({"$ref": "#"}, "# refers back to itself"),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "# refers back to itself"),
        (
            {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}},
            r"#/\$defs/a refers back to itself",
        ),
    ],
)
def test_what_is_too_much_or_cannot_be_enforced_is_refused(schema, reason):
    """The message names the limit or the keyword."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(InvalidRequest, match=reason) as refused:
        check_answer_schema(text)
    assert refused.value.param == "json_schema"
    assert len(refused.value.message) < 600


@given(JSON_VALUES)
def test_any_json_is_allowed_or_refused(schema):
    """Never another error."""
    with suppress(InvalidRequest):
        check_answer_schema(json.dumps(schema))


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("[a-z]{3}", 3),
        ("(ab){3}", 6),
        ("((a|b){2}c){10}", 70),
        (r"\(\{[\]{9}]{4}", 6),
        ("a{0,40}", 40),
        (")){3}", 4),
        ("(a", 1),
        ("a*b{20}", 106),
        ("(a+b){3}c", 38),
        ("a{2,}b", 7),
        (r"a\*b", 3),
    ],
)
def test_the_size_of_a_pattern_is_what_it_describes(pattern, size):
    """Groups and counts multiply; what is escaped or in a class is one character."""
    assert pattern_size(pattern) == size

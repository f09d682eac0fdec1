"""Which JSON Schemas a caller may ask answers to fit: those that the engine enforces exactly and cheaply.

The engine enforces a schema by llguidance, which refuses the keywords of JSON Schema that it can't enforce.
This module refuses other keywords too, since llguidance ignores them. It bounds patterns, since llguidance
ends an answer in the middle if a pattern has too many states. A schema at all limits costs some 100 ms of
processor time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count as count_from
from typing import Any

import llguidance

from deployments.agents.pattern_size import pattern_size
from deployments.core.errors import InvalidRequest

MAX_SCHEMA_CHARS = 10_000
MAX_DEPTH = 10
"""Schemas within schemas."""
MAX_PROPERTIES = 100
"""Of all objects together."""
MAX_ENUM_VALUES = 500
"""Of all enums together."""
MAX_BRANCHES = 50
"""Of all anyOf, oneOf and allOf together."""
MAX_REFERRED = 1_000
"""Branches of one anyOf, oneOf or allOf with those that they refer to: each reference counts them again."""
MAX_BOUND = 10_000
"""Of minItems, maxItems, minLength and maxLength."""
MAX_NUMBER = 2**53
"""Of multipleOf and of bounds of numbers, in both directions. Zod gives every integer the bounds of a float's
whole numbers."""
MAX_PATTERNS = 20
MAX_PATTERN_SIZE = 300
"""Characters that a pattern describes at most, see `pattern_size`."""
MAX_ALTERNATIVES_SIZE = 60
"""Characters that patterns describe together if they are branches of one anyOf or oneOf."""
MAX_AMBIGUOUS = 10
"""Branches that the engine can't tell apart by their beginnings, so that it follows all of them at once:
arrays, and strings of `_COSTLY_FORMATS`, where an anyOf or oneOf has several. Of all of these together. Ten
cost 0.03 ms a token, 50 cost 2 ms."""

FORMATS = frozenset(
    {"date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"}
)
_COSTLY_FORMATS = frozenset({"email", "hostname", "uri"})
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_ANNOTATIONS = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)
_SIZES = frozenset({"minItems", "maxItems", "minLength", "maxLength"})
_RANGES = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_CHOICES = frozenset({"anyOf", "oneOf", "allOf"})
_DEFINITIONS = frozenset({"$defs", "definitions"})
_NAMED = _DEFINITIONS | {"properties"}
_KNOWN = (
    _ANNOTATIONS
    | _SIZES
    | _RANGES
    | _CHOICES
    | _NAMED
    | {"$ref", "additionalProperties", "const", "enum", "format", "items", "pattern", "prefixItems"}
    | {"required", "type"}
)
_KINDS: Mapping[type, str] = {list: "a list", dict: "an object", str: "a text"}


def check_answer_schema(text: str) -> None:
    """Checks a JSON Schema, given as JSON. Raises InvalidRequest, which names the keyword and the limit."""
    root = _parsed(text)
    schemas = list(_within(root))
    for schema in schemas:
        _check_keywords(schema)
    _check_totals(schemas)
    targets = _targets(root)
    _check_references(targets, schemas)
    _check_ambiguity(targets, schemas)
    grammar = llguidance.LLMatcher.grammar_from_json_schema(text)
    if reason := llguidance.LLMatcher.validate_grammar(grammar):
        raise _refusal(" ".join(reason.split())[:300])


def _parsed(text: str) -> dict[str, Any]:
    _at_most(len(text), MAX_SCHEMA_CHARS, "characters of JSON")
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal("it must be JSON, and not nested deeply") from None
    try:
        json.dumps(root, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        reason = "its numbers must be finite, and its texts must have no half of a character"
        raise _refusal(reason) from None
    if not isinstance(root, dict):
        raise _refusal("it must be an object")
    return root


def _within(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and all schemas in it."""
    waiting: list[tuple[object, int]] = [(root, 0)]
    while waiting:
        schema, depth = waiting.pop()
        _at_most(depth, MAX_DEPTH, "levels of schemas within schemas")
        if schema is True:
            continue
        if not isinstance(schema, dict):
            raise _refusal("a schema must be an object, or true")
        yield schema
        waiting += ((part, depth + 1) for part in _parts(schema))


def _parts(schema: Mapping[str, Any]) -> Iterator[object]:
    """The schemas that are directly in a schema."""
    for keyword, value in schema.items():
        if keyword in _NAMED:
            yield from _typed(schema, keyword, dict).values()
        elif keyword in _CHOICES | {"prefixItems"}:
            yield from _typed(schema, keyword, list)
        elif keyword == "items" or (keyword == "additionalProperties" and value is not False):
            yield value


def _check_keywords(schema: Mapping[str, Any]) -> None:
    for keyword in schema:
        if keyword not in _KNOWN:
            known = ", ".join(sorted(_KNOWN - _ANNOTATIONS))
            shown = ascii(keyword)[:80]
            raise _refusal(f"{shown} can't be enforced: say it in a description, or use {known}")
    _check_types(schema)
    _check_bounds(schema)
    for keyword in _CHOICES | {"enum"}:
        if schema.get(keyword) == []:
            raise _refusal(f"{keyword} must not be empty")
    pattern = _typed(schema, "pattern", str)
    if (size := pattern_size(pattern)) > MAX_PATTERN_SIZE:
        raise _refusal(f"a pattern describes {size} characters; at most {MAX_PATTERN_SIZE} are allowed")
    required = _typed(schema, "required", list)
    if not set(map(str, required)) <= set(schema.get("properties", ())):
        raise _refusal("required must name fields of the same object's properties")


def _check_types(schema: Mapping[str, Any]) -> None:
    types = schema.get("type", "string")
    listed = types if isinstance(types, list) else [types]
    if not listed or not all(isinstance(name, str) and name in _TYPES for name in listed):
        raise _refusal(f"type must be one of {', '.join(sorted(_TYPES))}, or a list of them")
    wanted = schema.get("format", "date")
    if not isinstance(wanted, str) or wanted not in FORMATS:
        raise _refusal(f"format must be one of {', '.join(sorted(FORMATS))}")


def _check_bounds(schema: Mapping[str, Any]) -> None:
    for keyword in _SIZES & schema.keys():
        size = schema[keyword]
        if type(size) is not int or not 0 <= size <= MAX_BOUND:
            raise _refusal(f"{keyword} must be a whole number up to {MAX_BOUND}")
    for keyword in _RANGES & schema.keys():
        bound = schema[keyword]
        if type(bound) not in (int, float) or not abs(bound) <= MAX_NUMBER:
            raise _refusal(f"{keyword} must be a number from -{MAX_NUMBER} to {MAX_NUMBER}")


def _check_totals(schemas: list[dict[str, Any]]) -> None:
    properties = sum(len(schema.get("properties", ())) for schema in schemas)
    _at_most(properties, MAX_PROPERTIES, "properties in all objects together")
    values = sum(len(_typed(schema, "enum", list)) for schema in schemas)
    _at_most(values, MAX_ENUM_VALUES, "values in all enums together")
    branches = sum(len(schema.get(keyword, ())) for schema in schemas for keyword in _CHOICES)
    _at_most(branches, MAX_BRANCHES, "branches in all anyOf, oneOf and allOf together")
    _at_most(sum("pattern" in schema for schema in schemas), MAX_PATTERNS, "patterns")


def _targets(root: dict[str, Any]) -> dict[str, Any]:
    """The schemas that can be referred to."""
    targets = {"#": root}
    for place in _DEFINITIONS & root.keys():
        targets |= {f"#/{place}/{name}": schema for name, schema in root[place].items()}
    return targets


def _check_references(targets: Mapping[str, Any], schemas: list[dict[str, Any]]) -> None:
    for schema in schemas:
        if "$ref" in schema and (not isinstance(schema["$ref"], str) or schema["$ref"] not in targets):
            raise _refusal("a $ref must be # or #/$defs/ and the name of a definition in this schema")
    leads_to = {name: set(_direct_references(schema)) for name, schema in targets.items()}
    while ends := [name for name, following in leads_to.items() if not following & leads_to.keys()]:
        for name in ends:
            del leads_to[name]
    if leads_to:
        raise _refusal(f"{min(leads_to)} refers back to itself with no object or array in between")


def _check_ambiguity(targets: Mapping[str, Any], schemas: list[dict[str, Any]]) -> None:
    ambiguous = 0
    for schema in schemas:
        branches = list(_branches(schema, targets))
        alike = sum(map(_begins_like_others, branches))
        ambiguous += alike if alike > 1 else 0
        sizes = [pattern_size(branch["pattern"]) for branch in branches if "pattern" in branch]
        if len(sizes) > 1:
            _at_most(sum(sizes), MAX_ALTERNATIVES_SIZE, "characters in the patterns of one anyOf or oneOf")
    costly = ", ".join(sorted(_COSTLY_FORMATS))
    what = f"arrays, or strings of the formats {costly}, that are branches of the same anyOf or oneOf"
    _at_most(ambiguous, MAX_AMBIGUOUS, what)


def _branches(schema: Mapping[str, Any], targets: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All that a schema's values can be, also by references and by choices within choices."""
    waiting = [branch for keyword in _CHOICES for branch in schema.get(keyword, ())]
    for count in count_from(1):
        if not waiting:
            return
        _at_most(count, MAX_REFERRED, "branches, with those of references, in one anyOf, oneOf or allOf")
        branch = waiting.pop()
        if not isinstance(branch, dict):
            continue
        yield branch
        waiting += [inner for keyword in _CHOICES for inner in branch.get(keyword, ())]
        if "$ref" in branch:
            waiting.append(targets[branch["$ref"]])


def _begins_like_others(branch: Mapping[str, Any]) -> bool:
    """Whether values of a branch are arrays, or strings of a costly format."""
    return bool(
        "array" in branch.get("type", ())
        or {"items", "prefixItems"} & branch.keys()
        or branch.get("format") in _COSTLY_FORMATS
    )


def _direct_references(schema: object) -> Iterator[str]:
    """The references that a value of the schema follows before it has any character."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for keyword in _CHOICES:
            for branch in schema.get(keyword, ()):
                yield from _direct_references(branch)


def _typed(schema: Mapping[str, Any], keyword: str, kind: type[Any]) -> Any:
    """A keyword's value, or an empty one. Raises InvalidRequest if it is of another type."""
    value = schema.get(keyword, kind())
    if not isinstance(value, kind):
        raise _refusal(f"{keyword} must be {_KINDS[kind]}")
    return value


def _at_most(count: int, limit: int, of_what: str) -> None:
    if count > limit:
        raise _refusal(f"it has {count} {of_what}; at most {limit} are allowed")


def _refusal(reason: str) -> InvalidRequest:
    return InvalidRequest(f"json_schema can't be used: {reason}", "json_schema")

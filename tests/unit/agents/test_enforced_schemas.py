"""What `check_answer_schema` allows is enforced, whatever tokens a model prefers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import llguidance
import llguidance.numpy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from deployments.agents.answer_schema import FORMATS, check_answer_schema
from deployments.agents.idea_format import IDEA_SCHEMA
from deployments.core.errors import InvalidRequest

BYTES = llguidance.LLTokenizer("byte")
"""A model whose tokens are single bytes."""
CLOSING = np.array([bytes([i]) in (b'"', b"}", b"]", b",", b":") or 48 <= i < 58 for i in range(256)])
MAX_BYTES = 4000

LENGTHS = st.tuples(st.integers(0, 4), st.integers(4, 9)).map(
    lambda two: {"minLength": two[0], "maxLength": two[1]}
)
TEXTS = st.one_of(
    LENGTHS.map(lambda lengths: {"type": "string", **lengths}),
    st.sampled_from(["^[A-Z]{2}-[0-9]{1,4}$", "^(ab?|c){1,5}$", "^[^a]{0,9}$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
    # RFC 3339 has leap seconds, which the validator refuses; addresses of mail have no length.
    st.sampled_from(sorted(FORMATS - {"time", "date-time", "email", "uri", "hostname", "duration"})).map(
        lambda name: {"type": "string", "format": name}
    ),
    st.lists(st.text(max_size=5), min_size=1, max_size=4).map(lambda values: {"enum": values}),
)
NUMBERS = st.tuples(st.integers(-50, 50), st.integers(0, 70)).map(
    lambda two: {"type": "integer", "minimum": two[0], "maximum": sum(two)}
)
LEAVES = TEXTS | NUMBERS | st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": {"a": [1.5]}}])


def an_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    required = sorted(fields)[::2]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=5), inner, max_size=4).map(an_object),
        inner.map(lambda items: {"type": "array", "items": items, "minItems": 1, "maxItems": 3}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.tuples(inner, inner).map(
            lambda two: {"type": "array", "prefixItems": [*two], "minItems": 2, "maxItems": 2}
        ),
    ),
    max_leaves=5,
)


def an_answer(schema: str, seed: int) -> bytes:
    """The bytes that a model without any sense samples under a schema, until it has to stop."""
    rng = default_rng(seed)
    grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, {"whitespace_flexible": False})
    matcher = llguidance.LLMatcher(BYTES, grammar)
    mask = llguidance.numpy.allocate_token_bitmask(1, BYTES.vocab_size)
    answer = b""
    while len(answer) < MAX_BYTES:
        llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
        assert not matcher.get_error()
        allowed = np.unpackbits(mask[0].view(np.uint8), bitorder="little")[:256].astype(bool)
        closing = allowed & CLOSING
        # An answer of random bytes would hardly ever end its texts.
        chosen = closing if closing.any() and rng.random() < 0.5 else allowed
        if not chosen.any():  # only the end of the answer is allowed
            return answer
        token = int(rng.choice(np.flatnonzero(chosen)))
        assert matcher.consume_token(token)
        answer += bytes([token])
        if matcher.is_stopped():
            return answer
    raise AssertionError(f"no end after {MAX_BYTES} bytes")


@settings(max_examples=60)
@given(SCHEMAS, st.integers(0, 2**32))
def test_every_answer_fits_its_schema(schema: dict[str, Any], seed: int) -> None:
    text = json.dumps(schema)
    try:
        check_answer_schema(text)
    except InvalidRequest as error:
        assume("characters in the patterns" not in str(error))  # more than may be compiled
        raise
    answer = json.loads(an_answer(text, seed))
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(answer)


@pytest.mark.parametrize("seed", range(3))
def test_every_idea_fits_its_form(seed: int) -> None:
    assert jsonschema_rs.is_valid(json.loads(IDEA_SCHEMA), json.loads(an_answer(IDEA_SCHEMA, seed)))

"""What the engine does for each token of an answer that a caller shaped: grammars and stop texts."""

from __future__ import annotations

import itertools
import json
import string
from typing import Any

import pytest
import xgrammar

from deployments.agents.answer_schema import (
    MAX_AMBIGUOUS,
    MAX_BRANCHES,
    MAX_COSTLY_FORMATS,
    MAX_NUMBER,
    check_answer_schema,
)
from deployments.core.limits import MAX_ANSWER_TOKENS, MAX_STOP_CHARS, MAX_STOPS
from tests.abuse.attacked import measured

pytestmark = pytest.mark.system

FACTOR = 10
STEP_S = 0.010
"""A step of an engine on a GPU; the smallest embedded model takes 0.04 s on a CPU. The grammars of all
requests are part of each step."""
ANSWER_S = 500 * STEP_S
"""An answer of 500 tokens."""

PIECES = [*string.printable, *map("".join, itertools.product(string.ascii_letters + string.digits, repeat=2))]
VOCABULARY = [
    "</s>",
    *PIECES,
    *map("".join, itertools.product(string.ascii_lowercase, repeat=3)),
    '{"',
    '["',
    '":"',
]
TOKENIZER = xgrammar.TokenizerInfo(VOCABULARY, xgrammar.VocabType.RAW, stop_token_ids=[0])
OPEN = VOCABULARY.index("[")
ITSELF = {"$ref": "#/$defs/a"}


def recursive(branch: dict[str, Any], count: int) -> dict[str, Any]:
    return {**ITSELF, "$defs": {"a": {"anyOf": [{**branch, "maxItems": n + 5} for n in range(count)]}}}


WORST: dict[str, Any] = {
    "arrays within arrays": recursive({"type": "array", "items": ITSELF}, MAX_AMBIGUOUS),
    "tuples within tuples": recursive({"type": "array", "prefixItems": [ITSELF]}, MAX_AMBIGUOUS),
    "objects within objects": {
        **ITSELF,
        "$defs": {"a": {"anyOf": [{"type": "object", "additionalProperties": ITSELF}] * MAX_BRANCHES}},
    },
    "addresses": {"type": "array", "items": {"anyOf": [{"type": "string", "format": "uri"}] * MAX_AMBIGUOUS}},
    "formats": {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "format": "email"} for n in range(MAX_COSTLY_FORMATS)},
    },
    "numbers": {
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "number", "minimum": n - MAX_NUMBER, "maximum": MAX_NUMBER - n}
                for n in range(MAX_BRANCHES)
            ]
        },
    },
}


def compiled(schema: dict[str, Any]) -> xgrammar.CompiledGrammar:
    check_answer_schema(json.dumps(schema))
    compiler = xgrammar.GrammarCompiler(TOKENIZER, max_threads=1, cache_enabled=False)
    return compiler.compile_json_schema(json.dumps(schema))


def step_s(schema: dict[str, Any]) -> float:
    """CPU time of one step, the mean of 40."""
    matcher = xgrammar.GrammarMatcher(compiled(schema))
    mask = xgrammar.allocate_token_bitmask(1, TOKENIZER.vocab_size)
    with measured() as cost:
        for _ in range(40):
            matcher.fill_next_token_bitmask(mask)
            if not matcher.accept_token(OPEN):
                break
    return cost.cpu_s / 40


@pytest.mark.parametrize("name", WORST)
def test_the_worst_schema_costs_a_step_little(name: str) -> None:
    """Steps serve the requests of all tenants."""
    with measured() as cost:
        compiled(WORST[name])
    worst_s = max(step_s(WORST[name]) for _ in range(2))
    print(f"{name}: compiled in {cost.cpu_s:.3f} s, {1000 * worst_s:.3f} ms a token")
    assert cost.cpu_s <= FACTOR * ANSWER_S
    assert worst_s <= STEP_S / FACTOR


def test_more_alternatives_would_cost_much_more() -> None:
    """So the bound is needed: without it, each step of all requests waits for one request's grammar."""
    matcher = xgrammar.GrammarMatcher(
        xgrammar.GrammarCompiler(TOKENIZER, max_threads=1).compile_json_schema(
            json.dumps(recursive({"type": "array", "items": ITSELF}, MAX_BRANCHES - 1))
        )
    )
    mask = xgrammar.allocate_token_bitmask(1, TOKENIZER.vocab_size)
    with measured() as cost:
        for _ in range(40):
            matcher.fill_next_token_bitmask(mask)
            matcher.accept_token(OPEN)
    allowed_s = step_s(recursive({"type": "array", "items": ITSELF}, MAX_AMBIGUOUS))
    print(f"{1000 * cost.cpu_s / 40:.3f} ms a token, {1000 * allowed_s:.3f} ms within the bound")
    assert cost.cpu_s / 40 > 3 * allowed_s


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # importing torch raises them
def test_stop_texts_cost_an_answer_little() -> None:
    """The most and the longest that are allowed, which nearly occur, over the longest answer."""
    from vllm.v1.engine.detokenizer import check_stop_strings

    stops = [(f"{n}" + "word " * MAX_STOP_CHARS)[:MAX_STOP_CHARS] for n in range(MAX_STOPS)]
    text = ""
    with measured() as cost:
        for _ in range(MAX_ANSWER_TOKENS):
            text += "word "
            assert check_stop_strings(text, 5, stops, include_in_output=False) is None
    print(f"{MAX_ANSWER_TOKENS} tokens with {MAX_STOPS} stops: {1000 * cost.cpu_s:.1f} ms")
    assert cost.cpu_s <= ANSWER_S / FACTOR

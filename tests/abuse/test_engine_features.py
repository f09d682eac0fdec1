"""What the engine does for each token of an answer that a caller shaped: grammars and stop texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgrammar
from tokenizers import Tokenizer

from deployments.agents.answer_schema import (
    MAX_AMBIGUOUS,
    MAX_BRANCHES,
    MAX_COSTLY_FORMATS,
    MAX_NUMBER,
    check_answer_schema,
)
from deployments.core.limits import MAX_ANSWER_TOKENS, MAX_STOP_CHARS, MAX_STOPS
from tests.abuse.attacked import measured
from tests.integration.conftest import embedded_llm  # noqa: F401  a fixture

pytestmark = pytest.mark.system

FACTOR = 10
STEP_S = 0.010
"""A step of an engine on a GPU; the smallest embedded model takes 0.04 s on a CPU. The grammars of all
requests are part of each step."""
ANSWER_S = 500 * STEP_S
"""An answer of 500 tokens."""

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


class Grammars:
    """Compiles and follows grammars over a model's vocabulary."""

    def __init__(self, folder: Path) -> None:
        known = Tokenizer.from_file(str(folder / "tokenizer.json"))
        by_id = sorted(known.get_vocab(with_added_tokens=True).items(), key=lambda one: one[1])
        ids = dict(by_id)
        kind = xgrammar.VocabType.BYTE_LEVEL
        self._tokens = xgrammar.TokenizerInfo(
            [token for token, _ in by_id], kind, stop_token_ids=[ids["<|im_end|>"]]
        )
        self._open = ids["["]

    def compiled(self, schema: dict[str, Any]) -> xgrammar.CompiledGrammar:
        compiler = xgrammar.GrammarCompiler(self._tokens, max_threads=1, cache_enabled=False)
        return compiler.compile_json_schema(json.dumps(schema))

    def step_s(self, grammar: xgrammar.CompiledGrammar) -> float:
        """CPU time of one step, the mean of up to 40. Opens another array where that is allowed."""
        matcher = xgrammar.GrammarMatcher(grammar)
        mask = xgrammar.allocate_token_bitmask(1, self._tokens.vocab_size)
        steps = []
        for _ in range(40):
            with measured() as cost:
                matcher.fill_next_token_bitmask(mask)
            steps.append(cost.cpu_s)
            allowed = np.flatnonzero(np.unpackbits(mask[0].numpy().view(np.uint8), bitorder="little"))
            token = self._open if self._open in allowed else int(allowed[-1])
            if not matcher.accept_token(token) or matcher.is_terminated():
                break
        return sum(steps) / len(steps)


@pytest.fixture(scope="module")
def grammars(embedded_llm: Path) -> Grammars:  # noqa: F811  the fixture
    return Grammars(embedded_llm)


@pytest.mark.parametrize("name", WORST)
def test_the_worst_schema_costs_a_step_little(grammars: Grammars, name: str) -> None:
    """Steps serve the requests of all tenants."""
    check_answer_schema(json.dumps(WORST[name]))
    with measured() as cost:
        grammar = grammars.compiled(WORST[name])
    worst_s = min(grammars.step_s(grammar) for _ in range(3))
    print(f"{name}: compiled in {cost.cpu_s:.3f} s, {1000 * worst_s:.3f} ms a token")
    assert cost.cpu_s <= FACTOR * ANSWER_S
    assert worst_s <= STEP_S / FACTOR


def test_more_alternatives_would_cost_much_more(grammars: Grammars) -> None:
    """So the bound is needed: without it, each step of all requests waits for one request's grammar."""
    array = {"type": "array", "items": ITSELF}
    costs = [
        grammars.step_s(grammars.compiled(recursive(array, count))) for count in (MAX_AMBIGUOUS, MAX_BRANCHES)
    ]
    print(f"{1000 * costs[0]:.3f} ms a token within the bound, {1000 * costs[1]:.3f} ms without it")
    assert costs[1] > 5 * costs[0]


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

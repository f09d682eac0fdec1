"""Applies an agent's defaults to a caller's `Ask`, and checks the bounds that every interface shares."""

from __future__ import annotations

from deployments.agents.answer_schema import check_answer_schema
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import InvalidRequest
from deployments.core.ids import Scope, tenant_id
from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_HISTORY_CHARS,
    MAX_HISTORY_TURNS,
    MAX_PENALTY,
    MAX_QUERY_CHARS,
    MAX_SAMPLED_FROM,
    MAX_SEED,
    MAX_STOP_CHARS,
    MAX_STOPS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
)
from deployments.core.messages import Ask, Question
from deployments.core.sampling import Sampling, Shaping
from deployments.core.texts import check_storable


def question_of(spec: AgentSpec, ask: Ask) -> Question:
    """The complete question. Raises InvalidRequest, which names the field."""
    max_tokens = spec.max_tokens if ask.max_tokens is None else ask.max_tokens
    temperature = spec.temperature if ask.temperature is None else ask.temperature
    _check(ask.query.strip() != "", "query", "must not be empty")
    _check(
        len(ask.query) <= MAX_QUERY_CHARS,
        "query",
        f"must have at most {MAX_QUERY_CHARS} characters",
    )
    _check(1 <= ask.top_k <= MAX_TOP_K, "top_k", f"must be 1 to {MAX_TOP_K}")
    _check(1 <= max_tokens <= MAX_ANSWER_TOKENS, "max_tokens", f"must be 1 to {MAX_ANSWER_TOKENS}")
    _check(0 <= temperature <= MAX_TEMPERATURE, "temperature", f"must be 0 to {MAX_TEMPERATURE:g}")
    _check(
        ask.section is None or not spec.sections or ask.section in spec.sections,
        "section",
        f"must be one of {', '.join(spec.sections)}",
    )
    check_storable(ask.section or "", "section")  # the database compares it with its sections
    _check(0 < ask.top_p <= 1, "top_p", "must be above 0 and at most 1")
    _check(ask.seed is None or abs(ask.seed) <= MAX_SEED, "seed", f"must be -{MAX_SEED} to {MAX_SEED}")
    _check(
        len(ask.stop) <= MAX_STOPS and all(1 <= len(stop) <= MAX_STOP_CHARS for stop in ask.stop),
        "stop",
        f"must be at most {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters",
    )
    _check(
        len(ask.history) <= MAX_HISTORY_TURNS and _history_chars(ask) <= MAX_HISTORY_CHARS,
        "history",
        f"and instructions must have at most {MAX_HISTORY_TURNS} turns and {MAX_HISTORY_CHARS} characters",
    )
    _check_shaping(ask.shaping)
    if ask.json_schema is not None:
        check_answer_schema(ask.json_schema)
        _check(not ask.answer_start, "json_schema", "needs the user's message last: JSON continues no text")
    if ask.continues is not None:
        _check(not ask.answer_start, "history", "must not end with an assistant's message in a conversation")
    sampling = Sampling(
        max_tokens,
        temperature,
        ask.top_p,
        ask.seed,
        ask.stop,
        json_schema=ask.json_schema,
        ignore_eos=ask.ignore_eos,
        shaping=ask.shaping,
    )
    return Question(
        scope=Scope(tenant_id(ask.tenant), spec.collection),
        text=ask.query,
        top_k=ask.top_k,
        sampling=sampling,
        request_id=ask.request_id,
        deadline_s=ask.deadline_s,
        section=ask.section,
        only=ask.only,
        history=ask.history,
        spent=ask.spent,
        instructions=ask.instructions,
        share_answer=ask.share_answer,
        answer_start=ask.answer_start,
        key_id=ask.key_id,
        continues=ask.continues,
    )


def _check_shaping(shaping: Shaping) -> None:
    _check(0 <= shaping.top_k <= MAX_SAMPLED_FROM, "top_k", f"must be 0 to {MAX_SAMPLED_FROM}")
    _check(0 <= shaping.min_p <= 1, "min_p", "must be 0 to 1")
    repetition = shaping.repetition_penalty
    _check(0 < repetition <= MAX_PENALTY, "repetition_penalty", f"must be above 0, at most {MAX_PENALTY:g}")
    for name in ("presence_penalty", "frequency_penalty"):
        in_bounds = abs(getattr(shaping, name)) <= MAX_PENALTY
        _check(in_bounds, name, f"must be -{MAX_PENALTY:g} to {MAX_PENALTY:g}")


def _history_chars(ask: Ask) -> int:
    fixed = len(ask.instructions) + len(ask.answer_start)
    return fixed + sum(len(turn.user) + len(turn.assistant) for turn in ask.history)


def _check(holds: bool, param: str, rule: str) -> None:
    if not holds:
        raise InvalidRequest(f"{param} {rule}", param)

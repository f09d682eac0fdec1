"""The answer benchmark: each agent's questions asked for the first time, again, and in other words.

Each question goes to all arms, in a new random order, before the next question is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.bench.harness.arms import Arm, asked
from tests.bench.harness.bench import Bench
from tests.bench.harness.claims import Claim
from tests.bench.harness.observation import Observation, row
from tests.bench.harness.report import Report
from tests.bench.harness.summaries import median_of_ratios, percentile
from tests.bench.workload.agent_questions import AGENTS, agent_questions

LONG_TOKENS = 64
LONG_PROMPT_TOKENS = 1000
GOAL = 0.90


@dataclass(frozen=True, slots=True)
class _Size:
    """How much is asked: `questions` of each agent, `long` of them also for 64 tokens."""

    questions: int
    long: int


async def run(bench: Bench) -> None:
    """Asks all agents; prints a table and makes a claim for each."""
    questions = bench.plan.questions((await bench.rate()).prefilled_per_s)
    size, rng = _Size(questions, bench.plan.long_questions), Random(bench.seed)
    seen: list[Observation] = []
    for agent in AGENTS:
        of_agent = await _agent(agent, await bench.arms(), size, rng)
        bench.report.table(f"{agent}: TTFT by arm and kind of question", _table(of_agent))
        _claim(agent, of_agent, bench.report)
        _check(agent, of_agent, bench.report)
        seen += of_agent
    bench.report.add("answers", {"rows": _table(seen), "pairs": _pair_ratios(seen)})


async def _agent(agent: str, arms: Mapping[str, Arm], size: _Size, rng: Random) -> list[Observation]:
    questions, seen = agent_questions(agent, size.questions), list[Observation]()

    async def ask_all(kind: str, number: int, query: str, section: str | None) -> None:
        for name in turns(arms, rng):
            if name == "e" and kind == "overlapping":
                continue  # no answer can be shared here, so e is the same as d
            ask = asked(query, 1, section=section, top_k=_top_k(agent))
            one = await arms[name].ask(agent, ask)
            seen.append(replace(one, kind=kind, question=number))

    for arm in arms.values():  # prefill the preamble, as a replica does before it takes requests
        await arm.ask(agent, asked("Is anybody there who can answer?", 1), passages=())
    for kind in ("first", "repeated"):
        for number, one in enumerate(questions):
            await ask_all(kind, number, one.first, one.section)
    for number, one in enumerate(questions):
        await ask_all("overlapping", number, one.reworded, one.section)
    for number, one in enumerate(questions[: size.long]):
        # e is asked twice: only the second time is there an answer of this length to share.
        for kind, chosen in (("64 tokens first", {"e": arms["e"]}), ("64 tokens", arms)):
            for name in turns(chosen, rng):
                ask = asked(one.first, LONG_TOKENS, section=one.section, top_k=_top_k(agent))
                seen.append(replace(await chosen[name].ask(agent, ask), kind=kind, question=number))
    # The first time e asks only to have an answer to share; it is not comparable, as it found d's retrieval.
    priming = {("e", "first"), ("e", "64 tokens first")}
    return [one for one in seen if (one.arm, one.kind) not in priming]


def turns(arms: Mapping[str, Arm], rng: Random) -> list[str]:
    """A random order, but d before e: the later of them finds the other's retrieval in Redis, d must not."""
    names = rng.sample(list(arms), len(arms))
    if {"d", "e"} <= arms.keys() and names.index("e") < names.index("d"):
        d, e = names.index("d"), names.index("e")
        names[d], names[e] = names[e], names[d]
    return names


def _top_k(agent: str) -> int:
    return 5 if agent == "business" else 8  # business retrieves templates, which have several passages each


def _table(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """A row for each agent, kind and arm."""
    groups: dict[tuple[str, str, str], list[Observation]] = {}
    for one in seen:
        groups.setdefault((one.agent, one.kind, one.arm), []).append(one)
    return [
        {"agent": agent, "kind": kind, "arm": arm}
        | row(group)
        | ({"total_p50_ms": round(percentile([one.total_ms for one in group], 50), 1)})
        for (agent, kind, arm), group in sorted(groups.items(), key=lambda item: _sort_key(item[0]))
    ]


def _sort_key(name: tuple[str, str, str]) -> tuple[int, int, str]:
    kinds = ("first", "repeated", "overlapping", "64 tokens")
    return AGENTS.index(name[0]), kinds.index(name[1]), name[2]


def _pairs(
    seen: Sequence[Observation], arm: str, base: str, kind: str
) -> list[tuple[Observation, Observation]]:
    """The observations of two arms for the same questions, in the order of the questions."""
    of_base = {(one.agent, one.question): one for one in seen if (one.arm, one.kind) == (base, kind)}
    mine = [one for one in seen if (one.arm, one.kind) == (arm, kind)]
    return [(one, of_base[one.agent, one.question]) for one in mine if (one.agent, one.question) in of_base]


def _claim(agent: str, seen: Sequence[Observation], report: Report) -> None:
    """Claims by how much d's TTFT is lower than a's, over the repeated questions with long prompts."""
    found = [(x, y) for x, y in _pairs(seen, "d", "a", "repeated") if x.prompt_tokens >= LONG_PROMPT_TOKENS]
    if not found:
        print(f"  {agent}: no prompt has {LONG_PROMPT_TOKENS} tokens")
        return
    whole = median_of_ratios([(x.ttft_ms, y.ttft_ms) for x, y in found])
    engine = median_of_ratios([(x.engine_ms, y.engine_ms) for x, y in found])
    worst = max(x.ttft_ms / y.ttft_ms for x, y in found)
    how = (
        f"arrival to first token, d against a, median of {len(found)} questions "
        f"({1 - whole.high:.3f}-{1 - whole.low:.3f}; least {1 - worst:.3f}; engine {1 - engine.value:.3f})"
    )
    report.claim(Claim(f"repeated_ttft_lower_by_{agent}", 1 - whole.value, "share", GOAL, "higher", how))


def _check(agent: str, seen: Sequence[Observation], report: Report) -> None:
    """Claims that the arms in rank order (a, b, c) have the same prompts, from text and from ids."""
    prompts: dict[tuple[str, int], set[str]] = {}
    for one in seen:
        if one.arm in {"a", "b", "c"} and one.kind in {"first", "repeated", "overlapping"}:
            prompts.setdefault((one.kind, one.question), set()).add(one.digest)
    equal = sum(len(digests) == 1 for digests in prompts.values())
    how = f"{equal} of {len(prompts)} prompts, id by id"
    share = equal / len(prompts)
    report.claim(Claim(f"text_and_ids_make_equal_prompts_of_{agent}", share, "share", 1.0, "higher", how))


def _pair_ratios(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """TTFT of each arm as a ratio to a, and of d to b, by agent and kind."""
    rows = []
    for agent in AGENTS:
        of_agent = [one for one in seen if one.agent == agent]
        for kind in ("first", "repeated", "overlapping"):
            for arm, base in (("b", "a"), ("c", "a"), ("d", "a"), ("e", "a"), ("d", "b")):
                found = [(x.ttft_ms, y.ttft_ms) for x, y in _pairs(of_agent, arm, base, kind)]
                if found:
                    ratio = median_of_ratios(found).as_dict()
                    rows.append({"agent": agent, "kind": kind, "arm": arm, "base": base} | ratio)
    return rows

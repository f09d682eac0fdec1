"""The answer benchmark: each agent's questions asked for the first time, again, and in other words.

Every question goes to all arms, one after the other in an order of its own, before the next is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from deployments.agents.business import recall_query
from deployments.core.business import BusinessType
from tests.bench.arms import Arm, asked
from tests.bench.claims import Claim
from tests.bench.observation import Observation, row
from tests.bench.report import Report
from tests.bench.summaries import median_of_ratios, percentile

QUESTIONS = Path(__file__).with_name("questions") / "agent_questions.json"
AGENTS = ("support", "business", "documentation")
LONG_TOKENS = 64
LONG_PROMPT_TOKENS = 1000
GOAL = 0.90


@dataclass(frozen=True, slots=True)
class Posed:
    """A question, the same in other words, and the section that both are confined to."""

    first: str
    reworded: str
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked: `questions` of each agent, `long` of them for 64 tokens too."""

    questions: int
    long: int
    top_k: int = 8


def questions(agent: str, limit: int) -> list[Posed]:
    """The first `limit` of an agent's questions."""
    entries = json.loads(QUESTIONS.read_text())[agent][:limit]
    return [_posed(entry) for entry in entries]


def _posed(entry: Mapping[str, str]) -> Posed:
    if (section := entry.get("section")) is None:
        return Posed(entry["question"], entry["reworded"])
    kind = section.replace("_", " ")
    reworded = f"Which mistakes should a new {kind} business not repeat, and what would it cost to start?"
    return Posed(recall_query(BusinessType(section)), reworded, section)


async def run(arms: Mapping[str, Arm], report: Report, size: Size, rng: Random) -> list[Observation]:
    """All agents, with tables and claims."""
    seen: list[Observation] = []
    for agent in AGENTS:
        part = await _agent(agent, arms, size, rng)
        report.table(f"{agent}: TTFT by arm and kind of question", table(part))
        _claim(agent, part, report)
        _check(agent, part)
        seen += part
    report.add("answers", {"rows": table(seen), "pairs": _pairs_of(seen)})
    return seen


async def _agent(agent: str, arms: Mapping[str, Arm], size: Size, rng: Random) -> list[Observation]:
    posed, seen = questions(agent, size.questions), list[Observation]()

    async def ask_all(kind: str, number: int, query: str, section: str | None, max_tokens: int = 1) -> None:
        for name in _turns(arms, rng):
            if name == "e" and kind == "overlapping":
                continue  # where no answer can be shared, e is d
            ask = asked(query, max_tokens, section=section, top_k=_top_k(agent, size))
            one = await arms[name].ask(agent, ask)
            seen.append(replace(one, kind=kind, question=number))

    for arm in arms.values():  # the preamble, as a replica has it before it takes requests
        await arm.ask(agent, asked("Is anybody there who can answer?", 1), passages=())
    for kind in ("first", "repeated"):
        for number, one in enumerate(posed):
            await ask_all(kind, number, one.first, one.section)
    for number, one in enumerate(posed):
        await ask_all("overlapping", number, one.reworded, one.section)
    for number, one in enumerate(posed[: size.long]):
        # Twice: only then has the arm with shared answers one of this length.
        for kind in ("64 tokens first", "64 tokens"):
            if kind == "64 tokens" or "e" in arms:
                chosen = arms if kind == "64 tokens" else {"e": arms["e"]}
                for name in _turns(chosen, rng):
                    ask = asked(one.first, LONG_TOKENS, section=one.section, top_k=_top_k(agent, size))
                    seen.append(replace(await chosen[name].ask(agent, ask), kind=kind, question=number))
    primed = {("e", "first")}  # for the next time; here e is d, and has found d's retrieval
    return [one for one in seen if one.kind != "64 tokens first" and (one.arm, one.kind) not in primed]


def _turns(arms: Mapping[str, Arm], rng: Random) -> list[str]:
    """An order by chance, but d before e: retrievals are shared through Redis, and e would have found d's."""
    names = rng.sample(list(arms), len(arms))
    if {"d", "e"} <= arms.keys() and names.index("e") < names.index("d"):
        d, e = names.index("d"), names.index("e")
        names[d], names[e] = names[e], names[d]
    return names


def _top_k(agent: str, size: Size) -> int:
    return 5 if agent == "business" else size.top_k  # of templates, each with several passages


def table(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """A row for each agent, kind and arm."""
    groups: dict[tuple[str, str, str], list[Observation]] = {}
    for one in seen:
        groups.setdefault((one.agent, one.kind, one.arm), []).append(one)
    return [
        {"agent": agent, "kind": kind, "arm": arm}
        | row(group)
        | ({"total_p50_ms": round(percentile([one.total_ms for one in group], 50), 1)})
        for (agent, kind, arm), group in sorted(groups.items(), key=lambda item: _place(item[0]))
    ]


def _place(name: tuple[str, str, str]) -> tuple[int, int, str]:
    kinds = ("first", "repeated", "overlapping", "64 tokens")
    return AGENTS.index(name[0]), kinds.index(name[1]), name[2]


def pairs(
    seen: Sequence[Observation], arm: str, base: str, kind: str
) -> list[tuple[Observation, Observation]]:
    """The same question's observations by two arms, in a question's order."""
    of_base = {(one.agent, one.question): one for one in seen if (one.arm, one.kind) == (base, kind)}
    mine = [one for one in seen if (one.arm, one.kind) == (arm, kind)]
    return [(one, of_base[one.agent, one.question]) for one in mine if (one.agent, one.question) in of_base]


def _claim(agent: str, seen: Sequence[Observation], report: Report) -> None:
    """Of the questions whose prompts are long."""
    found = [(x, y) for x, y in pairs(seen, "d", "a", "repeated") if x.prompt_tokens >= LONG_PROMPT_TOKENS]
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


def _check(agent: str, seen: Sequence[Observation]) -> None:
    """The arms in rank order have the same prompts, or they would not be compared."""
    rank = {"a", "b", "c"}
    for kind in ("first", "repeated", "overlapping"):
        prompts: dict[int, set[str]] = {}
        for one in seen:
            if one.kind == kind and one.arm in rank:
                prompts.setdefault(one.question, set()).add(one.digest)
        differ = [number for number, digests in prompts.items() if len(digests) > 1]
        if differ:
            print(f"  {agent}, {kind}: prompts of questions {differ} differ between text and ids")


def _pairs_of(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """Ratios of each arm to a and b, by agent and kind."""
    rows = []
    for agent in AGENTS:
        part = [one for one in seen if one.agent == agent]
        for kind in ("first", "repeated", "overlapping"):
            for arm, base in (("b", "a"), ("c", "a"), ("d", "a"), ("e", "a"), ("d", "b")):
                found = [(x.ttft_ms, y.ttft_ms) for x, y in pairs(part, arm, base, kind)]
                if found:
                    ratio = median_of_ratios(found).as_dict()
                    rows.append({"agent": agent, "kind": kind, "arm": arm, "base": base} | ratio)
    return rows

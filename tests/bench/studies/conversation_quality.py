"""Does it cost right answers that a conversation's documents stay where they were first told?

    python -m tests.bench.studies.conversation_quality [--model qwen2.5-coder-1.5b] [--conversations 40]

Holds the same conversations in two layouts of the prompt. `documents first` is that of a chat whose caller
sends the history: all documents that the question finds, then the history, then the question. `append-only`
is that of a conversation that the server keeps: a turn adds only documents that are new, after the earlier
turns. A conversation has four turns: three questions of `workload/questions/quality/` to one agent about the
sample documents, then the first one once more; append-only, its documents are far from the question by then.
Each layout has its own answers in its history. Answers are greedy; a right answer has all key facts of its
question. All else is the application's own code on a real engine. WARMLINE_MODEL_DIR names the folder of
converted models. Takes one to two hours on two cores. Writes `bench-results/conversation-quality.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from math import comb
from pathlib import Path
from random import Random
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from deployments.agents.cached_agent import CachedAgent
from deployments.core.conversations import Continuation
from deployments.core.ids import RequestId, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, Turn
from serve_app.http.answers import new_turn_id
from serve_app.local_models import local_models
from serve_app.setup.catalog import LARGE
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.summaries import mean_difference
from tests.bench.harness.surroundings import environment, model_dir, settings_for
from tests.bench.harness.testbed import open_engine, open_testbed
from tests.bench.studies.answer_quality import AGENTS, Question, has_fact, questions

FIRST, KEPT = LAYOUTS = ("documents first", "append-only")
KINDS = ("first", "later", "later", "again")
"""What each turn of a conversation asks."""
AGAIN = "Please answer this once more: "
ANSWER_TOKENS = 64
AT_ONCE = 4
"""Conversations, each in both layouts."""
TENANT = TenantId("default")


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer of one layout and its grades."""

    conversation: int
    turn: int
    kind: str
    """One of `KINDS`."""
    layout: str
    question: str
    answer: str
    facts: int
    """Key facts in the answer."""
    facts_expected: int
    prompt_tokens: int
    prefilled_tokens: int

    @property
    def right(self) -> bool:
        """Whether the answer has all key facts."""
        return self.facts == self.facts_expected


Asked = tuple[str, tuple[Question, ...]]
"""An agent, and the questions of a conversation with it."""


def conversations(count: int, seed: int) -> list[Asked]:
    """The conversations, in turn with each agent. A question comes again only after all others."""
    rng = Random(seed)
    found: list[Asked] = []
    left: dict[str, list[Question]] = {agent: [] for agent in AGENTS}
    for agent in cycle(AGENTS):
        if len(found) == count:
            return found
        chosen: list[Question] = []
        while len(chosen) < len(KINDS) - 1:
            if not left[agent]:
                both = [*questions(agent, "dev"), *questions(agent, "test")]
                answerable = [one for one in both if one.doc_id is not None and one not in chosen]
                left[agent] = rng.sample(answerable, len(answerable))
            chosen.append(left[agent].pop())
        found.append((agent, tuple(chosen)))
    raise AssertionError("cycle has no end")


class Layout:
    """Holds a conversation in one layout."""

    def __init__(self, name: str, agent: CachedAgent) -> None:
        self._name = name
        self._agent = agent
        self._history: tuple[Turn, ...] = ()
        self._last: str | None = None

    async def ask(self, text: str) -> Answer:
        """The answer to the next question."""
        turn_id = new_turn_id()
        kept = self._name == KEPT
        answer = await self._agent.answer(
            Ask(
                TENANT,
                text,
                RequestId(f"q-{turn_id}"),
                max_tokens=ANSWER_TOKENS,
                temperature=0.0,
                deadline_s=900.0,
                history=() if kept else self._history,
                continues=Continuation(turn_id, previous=self._last) if kept else None,
            )
        )
        self._history = (*self._history, Turn(text, answer.text))
        self._last = turn_id
        return answer


async def _held(number: int, asked: Sequence[Question], layout: str, agent: CachedAgent) -> list[Graded]:
    """Holds a conversation in a layout; returns its graded answers."""
    chat, graded = Layout(layout, agent), []
    for turn, kind in enumerate(KINDS):
        one = asked[0 if kind == "again" else turn]
        text = f"{AGAIN}{one.question}" if kind == "again" else one.question
        answer = await chat.ask(text)
        facts = sum(has_fact(answer.text, spellings) for spellings in one.facts)
        reuse = answer.reuse
        graded.append(
            Graded(
                number,
                turn,
                kind,
                layout,
                text,
                answer.text,
                facts,
                len(one.facts),
                reuse.prompt_tokens,
                reuse.prompt_tokens - reuse.kv_cached_tokens,
            )
        )
    return graded


async def measure(model: str, count: int, seed: int, state_dir: Path) -> list[Graded]:
    """Holds all conversations in both layouts, which share the engine but no KV blocks."""
    fields = {"model": model, "model_dir": Path(os.environ.get("WARMLINE_MODEL_DIR", model_dir()))}
    settings = settings_for(state_dir, engine_kv_cache_gib=2.0).model_copy(update=fields)
    models = local_models(settings, print)
    graded: list[Graded] = []
    slots = asyncio.Semaphore(AT_ONCE)
    async with open_engine(settings, models) as engine, open_testbed(settings, models) as bed:
        agents = {layout: await bed.agents(engine, secrets.token_bytes(32)) for layout in LAYOUTS}

        async def hold(number: int, agent: str, asked: Sequence[Question]) -> None:
            async with slots:
                for held in await asyncio.gather(
                    *(_held(number, asked, layout, agents[layout][agent]) for layout in LAYOUTS)
                ):
                    graded.extend(held)
            so_far = (
                f"{layout} {sum(one.right for one in graded if one.layout == layout)}" for layout in LAYOUTS
            )
            print(f"{len(graded)} answers, right: {', '.join(so_far)}", flush=True)

        planned = enumerate(conversations(count, seed))
        await asyncio.gather(*(hold(number, agent, asked) for number, (agent, asked) in planned))
    return graded


def rows(graded: Sequence[Graded]) -> list[dict[str, Any]]:
    """A row for each kind of turn and layout."""
    return [
        {
            "turn": kind,
            "layout": layout,
            "answers": len(some),
            "right": sum(one.right for one in some),
            "facts": sum(one.facts for one in some),
            "of": sum(one.facts_expected for one in some),
            "prompt tokens": round(mean(one.prompt_tokens for one in some)),
            "prefilled": round(mean(one.prefilled_tokens for one in some)),
        }
        for kind in dict.fromkeys(KINDS)
        for layout in LAYOUTS
        if (some := [one for one in graded if (one.kind, one.layout) == (kind, layout)])
    ]


def mcnemar(only_one: int, only_other: int) -> float:
    """The exact two-sided probability of so uneven a split, if neither layout is better."""
    changed, fewer = only_one + only_other, min(only_one, only_other)
    probability: float = 2 * sum(comb(changed, number) for number in range(fewer + 1)) / 2**changed
    return min(1.0, probability)


def comparison(graded: Sequence[Graded]) -> dict[str, Any]:
    """The turns after the first, paired: right in one layout only, and the difference in key facts.

    The interval of the difference is over whole conversations, since their turns depend on each other.
    """
    by_turn = {(one.conversation, one.turn, one.layout): one for one in graded if one.kind != "first"}
    turns = sorted({(conversation, turn) for conversation, turn, _ in by_turn})
    pairs = [(by_turn[*turn, KEPT], by_turn[*turn, FIRST]) for turn in turns]
    shares = [
        tuple(
            100 * sum(one[at].facts for one in own) / sum(one[at].facts_expected for one in own)
            for at in range(len(LAYOUTS))
        )
        for number in dict.fromkeys(conversation for conversation, _ in turns)
        if (own := [pair for pair in pairs if pair[0].conversation == number])
    ]
    only_kept = sum(kept.right and not first.right for kept, first in pairs)
    only_first = sum(first.right and not kept.right for kept, first in pairs)
    difference = mean_difference([(kept, first) for kept, first in shares])
    return {
        "pairs": len(pairs),
        "right in append-only alone": only_kept,
        "right in documents first alone": only_first,
        "McNemar's p": round(mcnemar(only_kept, only_first), 4),
        "key facts, percentage points more": str(difference),
        "low": difference.low,
    }


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=LARGE, help="name of an embedded model")
    parser.add_argument("--conversations", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    report = Report(vars(asked))
    with environment(), TemporaryDirectory(prefix="talks-", ignore_cleanup_errors=True) as folder:
        graded = asyncio.run(measure(asked.model, asked.conversations, asked.seed, Path(folder)))
    table, paired = rows(graded), comparison(graded)
    report.table("Answers by layout", table)
    report.table("Append-only against documents first, turns after the first", [paired])
    low = paired.pop("low")
    how = f"lower end of 95 %, {paired['pairs']} pairs"
    report.claim(Claim("key facts, append-only more than documents first", low, "points", -5, "higher", how))
    report.sections |= {"layouts": table, "paired": paired, "answers": [asdict(one) for one in graded]}
    print(report.write(RESULTS / "conversation-quality.json"))


if __name__ == "__main__":
    main()

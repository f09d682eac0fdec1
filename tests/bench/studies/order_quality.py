"""Does the order of documents cost right answers?

    python -m tests.bench.studies.order_quality [--questions 200]

Each question asks for a fact that only one of five documents has, the one that is ranked first. Three in ten
questions are *plain*: the other documents are about other places and have other titles. The others are
*confusable*: the question uses other words, and each other document has the same fact for the same place and
other people, or for another place and the same people. Each question is asked with its documents in rank
order; in a random order, as a cache may require; and in the random order with the best document first, or
last; with and without the hint at the most relevant document. Answers are greedy; an answer is right if it
contains the fact's number. Engine, model and prompt assembly are the real ones; WARMLINE_MODEL names another
model than the default. Writes `bench-results/order-quality.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.agents.specs import SUPPORT
from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.segments import document_segment
from deployments.core.token_ids import join, to_bytes
from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from deployments.rag.prompt import PromptAssembler, rank_hint
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import local_models
from serve_app.settings import Settings
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.summaries import mean_difference

SAMPLES = Path("deployments/knowledge/samples/support_kb")
DOCUMENTS = 5
SENTENCES = 2
PLAIN_SHARE = 0.3
AT_ONCE = 8
CASES_AT_ONCE = 4
ANSWER_TOKENS = 32
_PLACES = ("harbour", "library", "museum", "bakery", "stadium", "airport", "theatre", "hospital")
_PEOPLE = ("cleaners", "visitors", "drivers", "nurses", "students", "guards", "cooks", "painters")
_THINGS = (
    (
        "the door code of the {place} for {people}",
        "One of the {people} stands in front of the {place}. What do they type to get in?",
        "What is the door code of the {place} for {people}?",
    ),
    (
        "the phone extension of the {place} for {people}",
        "The {people} have a question about the {place}. Which number do they dial?",
        "Which phone extension has the {place} for {people}?",
    ),
    (
        "the daily parking fee in cents at the {place} for {people}",
        "What do {people} pay in cents to leave a car at the {place} for a day?",
        "What is the daily parking fee in cents at the {place} for {people}?",
    ),
    (
        "the locker number in the {place} for {people}",
        "Where in the {place} can {people} put their bags: behind which number?",
        "What is the locker number in the {place} for {people}?",
    ),
)
"""A fact, a question about it in other words, and a question in the same words."""


@dataclass(frozen=True)
class Case:
    """A question and its documents.

    `documents` are (title, body) in rank order; the first has the fact. `shuffled` is a random order of them.
    """

    question: str
    answer: str
    documents: tuple[tuple[str, str], ...]
    shuffled: tuple[int, ...]
    plain: bool


def cases(count: int, seed: int) -> list[Case]:
    """`count` cases, with facts put into excerpts of the sample articles."""
    rng = random.Random(seed)
    texts = [_plain(path.read_text()) for path in sorted(SAMPLES.glob("*.md"))]
    return [_case(rng, texts, plain=number < PLAIN_SHARE * count) for number in range(count)]


def _case(rng: random.Random, texts: Sequence[str], *, plain: bool) -> Case:
    fact, reworded, worded = rng.choice(_THINGS)
    places, people = rng.sample(_PLACES, DOCUMENTS), rng.sample(_PEOPLE, DOCUMENTS)
    numbers = rng.sample(range(1000, 10_000), DOCUMENTS)
    documents = []
    for i, number in enumerate(numbers):
        shares_place = i % 2 == 1 and not plain
        place = places[0 if shares_place else i]
        sentence = fact.format(place=place, people=people[i if shares_place else 0])
        sentences = rng.choice(texts).split(". ")
        start = rng.randrange(max(len(sentences) - SENTENCES, 1))
        body = sentences[start : start + SENTENCES]
        body.insert(rng.randrange(len(body) + 1), f"{sentence[0].upper()}{sentence[1:]} is {number}")
        documents.append(
            (f"About the {place}" if plain else f"Notice {rng.randrange(100, 1000)}", ". ".join(body))
        )
    order = list(range(DOCUMENTS))
    while order[0] == 0:
        rng.shuffle(order)
    question = (worded if plain else reworded).format(place=places[0], people=people[0])
    return Case(question, str(numbers[0]), tuple(documents), tuple(order), plain)


def _plain(markdown: str) -> str:
    body = re.sub(r"^---.*?---", "", markdown, flags=re.DOTALL)
    return " ".join(re.sub(r"[#*`|>-]", " ", body).split())


class Asker:
    """Asks the engine."""

    def __init__(self, engine: VllmEngine, model: str) -> None:
        self._engine = engine
        bundle = load_bundle(model)
        self._encoder = BundleEncoder(bundle)
        self._assembler = PromptAssembler(self._encoder, bundle.scaffold, SUPPORT.preamble)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._asked = 0

    async def is_right(self, case: Case, order: Sequence[int], *, hinted: bool) -> bool:
        """Whether the answer has the fact's number."""
        ids = [self._encoder.encode_text(document_segment(t, "", body)) for t, body in case.documents]
        hint = rank_hint([title for title, _ in case.documents], order) if hinted else ""
        tail = self._assembler.tail(hint, (), case.question)
        prompt = join([self._assembler.head, *(ids[i] for i in order), tail])
        self._asked += 1
        request = GenerateRequest(
            RequestId(f"q{self._asked}"),
            to_bytes(prompt),
            Sampling(ANSWER_TOKENS, 0.0),
            "salt",
            deadline_s=600,
        )
        async with self._slots:
            text = "".join([delta.text async for delta in self._engine.generate(request)])
        return case.answer in text.replace(",", "")


def _rank(_: Case) -> Sequence[int]:
    return range(DOCUMENTS)


def _other(case: Case) -> Sequence[int]:
    return case.shuffled


def _best_first(case: Case) -> Sequence[int]:
    return [0, *(i for i in case.shuffled if i)]


def _best_last(case: Case) -> Sequence[int]:
    return [*(i for i in case.shuffled if i), 0]


ARMS: Mapping[str, tuple[Callable[[Case], Sequence[int]], bool]] = {
    "rank order": (_rank, False),
    "other order": (_other, False),
    "other order, hint": (_other, True),
    "best first": (_best_first, False),
    "best last": (_best_last, False),
    "best last, hint": (_best_last, True),
}
"""The order of each arm, and whether its prompts have a hint. In rank order a hint would be empty."""


async def measure(count: int, seed: int) -> dict[str, list[bool]]:
    """Whether each answer is right, by arm. A few cases at a time are asked in all arms before the next."""
    model = local_models(Settings.from_env(os.environ), print).llm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = await VllmEngine.start(EngineConfig(model, "asked", max_model_len=4096))
    right: dict[str, list[bool]] = {arm: [] for arm in ARMS}
    try:
        asker = Asker(engine, model)
        all_cases = cases(count, seed)
        for at in range(0, count, CASES_AT_ONCE):
            group = all_cases[at : at + CASES_AT_ONCE]
            for arm, answers in zip(
                ARMS, await asyncio.gather(*(_ask(asker, a, group) for a in ARMS)), strict=True
            ):
                right[arm] += answers
            so_far = ", ".join(f"{arm} {sum(found)}" for arm, found in right.items())
            print(f"{min(at + CASES_AT_ONCE, count):4} asked: {so_far}", flush=True)
    finally:
        await engine.shutdown()
    return right


async def _ask(asker: Asker, arm: str, group: Sequence[Case]) -> list[bool]:
    order, hinted = ARMS[arm]
    return await asyncio.gather(*(asker.is_right(case, order(case), hinted=hinted) for case in group))


def rows(right: Mapping[str, Sequence[bool]]) -> list[dict[str, Any]]:
    """A row for each arm: percent right, and the paired difference to two arms in percentage points."""
    return [
        {
            "arm": arm,
            "right": sum(found),
            "of": len(found),
            "percent": round(100 * sum(found) / len(found), 1),
        }
        | {f"more_than_{base}": _difference(found, right[base]) for base in ("rank order", "other order")}
        for arm, found in right.items()
    ]


def _difference(found: Sequence[bool], base: Sequence[bool]) -> str:
    estimate = mean_difference([(100 * x, 100 * y) for x, y in zip(found, base, strict=True)])
    return f"{estimate.value:+.1f} ({estimate.low:+.1f} to {estimate.high:+.1f})"


def main() -> None:
    """Asks all questions in each order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    report = Report(vars(asked))
    right = asyncio.run(measure(asked.questions, asked.seed))
    kinds = [case.plain for case in cases(asked.questions, asked.seed)]
    for kind, plain in (("plain", True), ("confusable", False)):
        some = {
            arm: [x for x, is_plain in zip(found, kinds, strict=True) if is_plain == plain]
            for arm, found in right.items()
        }
        report.sections[kind] = rows(some)
        report.table(f"Right answers by order, {kind} questions (95 % intervals)", rows(some))
    table = rows(right)
    report.table("Right answers by order, all questions (95 % intervals)", table)
    report.sections["order_quality"] = {
        "rows": table,
        "right": {arm: list(found) for arm, found in right.items()},
    }
    print(f"written to {report.write(RESULTS / 'order-quality.json')}")


if __name__ == "__main__":
    main()

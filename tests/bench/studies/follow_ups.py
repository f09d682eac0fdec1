"""Does a follow-up question find what the talk is about, and a new topic its own article?

    python -m tests.bench.studies.follow_ups

Asks the questions of `workload/questions/talks.json` of the real knowledge base with the samples and a small
collection, in several ways of using the talk. The parts `dev` and `test` were written before any of them was
built, `fresh` after the first was. Also asks the existing single questions after an unrelated one, which
must not cost right answers. Right means that the first document is the right one. Writes
`bench-results/follow-ups.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from deployments.core.documents import DocumentDraft, SearchQuery
from deployments.core.ids import DEFAULT_TENANT, CollectionName, DocId, Scope
from deployments.core.messages import Turn
from deployments.knowledge.fusion import fuse
from deployments.rag.talk import talk_of
from serve_app.local_models import Models, local_models
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import environment, settings_for
from tests.bench.harness.testbed import Testbed, open_testbed
from tests.bench.workload.agent_questions import FOLDER

TOP_K = 5
COLLECTIONS = {"support": "support_kb", "business": "business_templates", "documentation": "documentation"}
"""The collection that each file of single questions is about."""
_ANSWER_CHARS = 300


@dataclass(frozen=True, slots=True)
class Talk:
    """A question, and what was said before it."""

    kind: str
    """`follow-up`, `new topic` or `single`."""
    part: str
    collection: str
    history: tuple[Turn, ...]
    question: str
    right: frozenset[str]
    """Documents that should be found first."""


Found = list[str]
Way = Callable[["Asker", Talk], Awaitable[Found]]


def talks(written: Sequence[Mapping[str, Any]]) -> list[Talk]:
    """The follow-ups and new topics."""
    return [
        Talk(
            "new topic" if one["style"] == "topic_change" else "follow-up",
            one["split"],
            one["collection"],
            tuple(Turn(user, assistant) for user, assistant in one["turns"]),
            one["question"],
            frozenset([one["doc_id"], *one["also"]]),
        )
        for one in written
    ]


def single_questions(rng: Random) -> list[Talk]:
    """The answerable single questions, each after one about another document of its collection."""
    found = []
    for name, collection in COLLECTIONS.items():
        rows = json.loads((FOLDER / "quality" / f"{name}.json").read_text())
        rows = [row for row in rows if row["doc_id"]]
        for row in rows:
            other = rng.choice([one for one in rows if one["doc_id"] != row["doc_id"]])
            right = frozenset([row["doc_id"], *row["also"]])
            before = (Turn(other["question"], ""),)
            found.append(Talk("single", row["split"], collection, before, row["question"], right))
    return found


class Asker:
    """Searches a knowledge base."""

    def __init__(self, bed: Testbed) -> None:
        self._bed = bed

    async def search(self, talk: Talk, text: str, earlier: tuple[str, ...] = ()) -> Found:
        """The documents found, best first."""
        scope = Scope(DEFAULT_TENANT, CollectionName(talk.collection))
        found = await self._bed.knowledge.search.remote(SearchQuery(scope, text, TOP_K, talk=earlier))
        return list(dict.fromkeys(passage.doc_id for passage in found.passages))


async def _last(asker: Asker, talk: Talk) -> Found:
    return await asker.search(talk, talk.question)


async def _joined(asker: Asker, talk: Talk) -> Found:
    return await asker.search(talk, " ".join([*talk_of(talk.question, talk.history), talk.question]))


async def _fused(asker: Asker, talk: Talk) -> Found:
    return [doc_id for doc_id, _ in fuse([await _last(asker, talk), await _joined(asker, talk)])]


async def _weighed(asker: Asker, talk: Talk) -> Found:
    return await asker.search(talk, talk.question, talk_of(talk.question, talk.history))


async def _with_answer(asker: Asker, talk: Talk) -> Found:
    earlier = talk_of(talk.question, talk.history)
    answer = talk.history[-1].assistant[:_ANSWER_CHARS]
    return await asker.search(talk, talk.question, (*earlier, answer) if earlier and answer else earlier)


WAYS: Mapping[str, Way] = {
    "last message alone": _last,
    "joined with the earlier ones": _joined,
    "both rankings fused": _fused,
    "weighed (as built)": _weighed,
    "weighed, with the last answer": _with_answer,
}


@dataclass(slots=True)
class Tally:
    """The results of one way."""

    right: dict[str, list[bool]] = field(default_factory=dict)
    """By kind and part, whether each question found a right document first."""
    among_five: int = 0
    """Follow-ups that found a right document among five."""
    spent_ms: list[float] = field(default_factory=list)
    """Of each follow-up's search."""

    def add(self, talk: Talk, found: Found, spent_s: float) -> None:
        """Adds the result of one question."""
        self.right.setdefault(f"{talk.kind} {talk.part}", []).append(bool(talk.right & set(found[:1])))
        if talk.kind == "follow-up":
            self.among_five += bool(talk.right & set(found))
            self.spent_ms.append(1000 * spent_s)

    def row(self, way: str) -> dict[str, Any]:
        """A row of the table."""
        counts = {name: f"{sum(of)}/{len(of)}" for name, of in sorted(self.right.items())}
        others = {"among five": self.among_five, "median ms": round(median(self.spent_ms), 1)}
        return {"way": way} | counts | others


async def measure(bed: Testbed, asked: Sequence[Talk]) -> list[dict[str, Any]]:
    """The rows of all ways. Each question is asked in all ways before the next one."""
    asker, tallies = Asker(bed), {name: Tally() for name in WAYS}
    for talk in asked:
        for name, way in WAYS.items():
            started_s = time.perf_counter()
            found = await way(asker, talk)
            tallies[name].add(talk, found, time.perf_counter() - started_s)
    return [tally.row(name) for name, tally in tallies.items()]


async def run(models: Models, state_dir: Path) -> list[dict[str, Any]]:
    """The rows of all ways."""
    written = json.loads((FOLDER / "talks.json").read_text())
    asked = talks(written["talks"]) + single_questions(Random(1))
    async with open_testbed(settings_for(state_dir), models) as bed:
        for name, text in written["office"].items():
            draft = DocumentDraft(DocId(name), "", None, "text/markdown", text.encode())
            await bed.knowledge.put.remote(Scope(DEFAULT_TENANT, CollectionName("office")), draft)
        return await measure(bed, asked)


def main() -> None:
    """Asks all questions in each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    report = Report(vars(parser.parse_args()))
    with environment(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        state_dir = Path(folder)
        rows = asyncio.run(run(local_models(settings_for(state_dir), print), state_dir))
    report.table("Right document first", rows)
    report.sections["follow_ups"] = rows
    print(f"written to {report.write(RESULTS / 'follow-ups.json')}")


if __name__ == "__main__":
    main()

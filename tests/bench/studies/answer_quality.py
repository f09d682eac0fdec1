"""Are the answers worth reading?

    python -m tests.bench.studies.answer_quality [--split dev] [--agents support,...]

Asks the questions of `workload/questions/quality/`, either of a running application (`--url`) or of one that
it starts itself. People who had read only the documents wrote the questions, before anything was tuned;
tuning uses `--split dev`. Each question goes to its agent as a chat of one message, greedy, 96 tokens at
most. Reported for each agent: whether the right document is cited first and among the first five, how many
key facts the answers have, how many unanswerable questions are declined, and how many others are declined
wrongly.

An answer has a fact if it contains one of the fact's spellings, in upper or lower case. With `--judge URL` a
model with an OpenAI-compatible API also judges whether each answer is right. All answers are written to
`bench-results/answer-quality.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from serve_app.settings import Settings
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.summaries import percentile
from tests.bench.workload.agent_questions import FOLDER
from tests.integration.application.running import running_application

AGENTS = ("support", "documentation", "business")
ANSWER_TOKENS = 96
AT_ONCE = 4
TIMEOUT_S = 300.0
CITED = 5

_DECLINED = re.compile(
    r"\b(do(es)? not|don't|doesn't|cannot|can't|could not|couldn't|did not|didn't) "
    r"(know|answer|have (any |enough |the |that )?information|mention|specif|provid|cover|contain|say|tell"
    r"|find|state|include|describe|address)"
    r"|\bnot (mentioned|specified|provided|covered|stated|available in|described|explicitly)"
    r"|\b(no|none of the) (information|mention|article|articles|template|templates|documentation)\b"
    r"|\b(unable|not able) to (answer|find|tell)",
    re.IGNORECASE,
)
"""Phrases that say that the documents do not have the answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to an agent. `doc_id` is None if no document answers it."""

    id: str
    split: str
    question: str
    doc_id: str | None
    also: Sequence[str]
    """Other documents that answer it."""
    facts: Sequence[Sequence[str]]
    """The spellings of each fact. A right answer contains one spelling of every fact."""


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer and its grades."""

    id: str
    question: str
    answer: str
    first: bool
    """Whether the first citation is a right document."""
    among_five: bool
    """Whether one of the first five citations is a right document."""
    facts: int
    facts_expected: int
    declined: bool
    judged_right: bool | None
    """None without a judge."""
    prompt_tokens: int
    kv_cached_tokens: int
    answer_tokens: int
    ttft_ms: float
    total_ms: float


def questions(agent: str, split: str) -> list[Question]:
    """An agent's questions. `split` is `dev` or `test`."""
    rows = json.loads((FOLDER / "quality" / f"{agent}.json").read_text())
    return [Question(**row) for row in rows if row["split"] == split]


def has_fact(answer: str, spellings: Sequence[str]) -> bool:
    """Whether the answer contains one of the spellings."""
    plain = _plain(answer)
    return any(_plain(spelling) in plain for spelling in spellings)


def declines(answer: str) -> bool:
    """Whether the answer says that it does not know, in its first two sentences."""
    return bool(_DECLINED.search(" ".join(re.split(r"(?<=[.!?])\s", answer.strip())[:2])))


def _plain(text: str) -> str:
    """Removes what does not count: case, Markdown, curly quotes, the space before a percent sign."""
    return re.sub(r"[*`]", "", text).lower().replace("\u2019", "'").replace(" %", "%")


class Grader:
    """Asks the application and, if there is one, the judge."""

    def __init__(self, application: httpx.Client, judge: httpx.Client | None, judge_model: str) -> None:
        self._application = application
        self._judge = judge
        self._judge_model = judge_model

    def grade(self, agent: str, question: Question) -> Graded:
        """Asks a question and grades the answer. Raises httpx.HTTPStatusError if the application refuses."""
        body = {"model": agent, "temperature": 0, "max_tokens": ANSWER_TOKENS}
        found = _chat(self._application, body, question.question)
        text, ledger = found["choices"][0]["message"]["content"], found["warmline"]
        right = {question.doc_id, *question.also}
        cited = [citation["doc_id"] for citation in ledger["citations"]]
        return Graded(
            id=question.id,
            question=question.question,
            answer=text,
            first=bool(cited) and cited[0] in right,
            among_five=bool(right.intersection(cited[:CITED])),
            facts=sum(has_fact(text, spellings) for spellings in question.facts),
            facts_expected=len(question.facts),
            declined=declines(text),
            judged_right=self._judged(question, text),
            prompt_tokens=ledger["reuse"]["prompt_tokens"],
            kv_cached_tokens=ledger["reuse"]["kv_cached_tokens"],
            answer_tokens=found["usage"]["completion_tokens"],
            ttft_ms=ledger["timings_ms"].get("ttft", 0.0),
            total_ms=ledger["timings_ms"]["total"],
        )

    def _judged(self, question: Question, answer: str) -> bool | None:
        if self._judge is None:
            return None
        wanted = " and ".join(f'"{spellings[0]}"' for spellings in question.facts)
        rule = f"It is right if it tells {wanted}, in any words." if wanted else "It is right if it declines."
        asked = f"Question: {question.question}\n\nAnswer: {answer}\n\n{rule} Is it right? Say yes or no."
        body = {"model": self._judge_model, "temperature": 0, "max_tokens": 3}
        reply = _chat(self._judge, body, asked)["choices"][0]["message"]["content"]
        return str(reply).strip().lower().startswith("yes")


def _chat(client: httpx.Client, body: Mapping[str, Any], text: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    response = client.post("/v1/chat/completions", json={**body, "messages": messages})
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found


def summary(agent: str, graded: Sequence[Graded]) -> dict[str, Any]:
    """A row of the table: an agent's figures."""
    answerable = [one for one in graded if one.facts_expected]
    others = [one for one in graded if not one.facts_expected]
    row: dict[str, Any] = {
        "agent": agent,
        "questions": len(answerable),
        "right first": sum(one.first for one in answerable),
        "among five": sum(one.among_five for one in answerable),
        "facts": f"{sum(one.facts for one in answerable)} of {sum(one.facts_expected for one in answerable)}",
        "declined wrongly": sum(one.declined and not one.facts for one in answerable),
        "unanswerable": len(others),
        "declined": sum(one.declined for one in others),
        "prompt tokens": round(percentile([one.prompt_tokens for one in graded], 50)),
        "answer tokens": round(percentile([one.answer_tokens for one in graded], 50)),
        "ttft s": round(percentile([one.ttft_ms / 1000 for one in graded], 50), 2),
        "total s": round(percentile([one.total_ms / 1000 for one in graded], 50), 2),
    }
    if graded and graded[0].judged_right is not None:
        row["judged right"] = sum(one.judged_right is True for one in graded)
    return row


@contextmanager
def _application(url: str | None) -> Iterator[httpx.Client]:
    if url:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:
            yield client
        return
    settings = Settings.from_env(os.environ)
    model = {"WARMLINE_MODEL": settings.model} if settings.model else {"WARMLINE_MODEL": ""}
    variables = {name: value for name, value in os.environ.items() if name.startswith("WARMLINE_")} | model
    with (
        TemporaryDirectory() as folder,
        running_application(Path(folder), settings.models, **variables) as running,
        httpx.Client(base_url=running.http.base_url, timeout=TIMEOUT_S) as client,
    ):
        yield client


def main() -> None:
    """Asks all questions of a split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="of a running application; else one is started")
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--agents", default=",".join(AGENTS))
    parser.add_argument("--judge", help="base URL of an OpenAI-compatible API, without /v1")
    parser.add_argument("--judge-model", default="judge")
    parser.add_argument("--name", default="answer-quality", help="of the file under bench-results")
    asked = parser.parse_args()
    report = Report(vars(asked))
    judge = httpx.Client(base_url=asked.judge, timeout=TIMEOUT_S) if asked.judge else None
    rows = []
    with _application(asked.url) as application, ThreadPoolExecutor(AT_ONCE) as pool:
        grader = Grader(application, judge, asked.judge_model)
        for agent in asked.agents.split(","):
            started_s = time.monotonic()
            wanted = questions(agent, asked.split)
            graded = list(pool.map(lambda question, agent=agent: grader.grade(agent, question), wanted))
            rows.append(summary(agent, graded))
            report.sections[agent] = [asdict(one) for one in graded]
            print(f"{agent}: {len(graded)} asked in {time.monotonic() - started_s:.0f} s", flush=True)
    report.table(f"Answers, {asked.split} questions", rows)
    report.sections["summary"] = rows
    print(f"written to {report.write(RESULTS / f'{asked.name}.json')}")


if __name__ == "__main__":
    main()

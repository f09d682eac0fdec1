"""Does search find the page, and does the prompt contain the answer?

    python -m tests.bench.studies.retrieval_quality [--corpora python] [--half test] [--docs FOLDER]

Stores each corpus in a knowledge base of its own tenant and asks its questions as the agent does, without an
engine: retrieval, token ids and the prompt's budget are the application's. The packages' pages are downloaded
with `apt-get download` unless `--docs` has them. Passages are embedded once and kept, which takes minutes.

"refused" counts the questions whose prompt tells the model to doubt, or for which nothing was found: right
for unanswerable questions, wrong for others.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from deployments.agents.asking import question_of
from deployments.agents.cached_agent import CachedAgent
from deployments.core.ids import RequestId, Scope
from deployments.core.messages import Ask
from deployments.rag.ending import is_sure
from deployments.rag.stopwatch import Stopwatch
from serve_app.local_models import Models, local_models
from tests.bench.harness.corpora import CORPORA, Corpus, documents, fetch
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.retrieval_bed import open_retrieval_bed, store
from tests.bench.harness.retrieval_grades import Grade, grade, rows
from tests.bench.harness.retrieval_questions import RetrievalQuestion, questions_of
from tests.bench.harness.surroundings import environment, model_dir, settings_for
from tests.bench.harness.testbed import Testbed

MODEL_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    docs: Path
    """A folder of extracted packages."""
    cache: Path
    """Where vectors are kept between runs."""
    half: str
    """`dev`, `test` or `all` questions."""


async def ask(agent: CachedAgent, corpus: Corpus, question: RetrievalQuestion) -> Grade:
    """Selects the passages of a question's prompt and grades them."""
    watch = Stopwatch(time.monotonic)
    request = Ask(corpus.tenant, question.text, RequestId(uuid4().hex), history=tuple(question.history))
    preparer = agent._rag._preparer  # type: ignore[attr-defined]
    found = await preparer.select(question_of(agent.spec, request), MODEL_TOKENS, watch)
    sure = found.answerable and is_sure(found.passages, agent.spec.sure_from)
    return grade(question, found.passages, sure, found.context_tokens, watch.stages_ms["retrieve"])


async def grades_of(bed: Testbed, corpus: Corpus, docs: Path, half: str) -> list[Grade]:
    """Stores a corpus and asks its questions of one half, or all of them."""
    agent = (await bed.agents(None, b"unused", order="rank"))[corpus.agent]
    scope = Scope(corpus.tenant, agent.spec.collection)
    started_s = time.monotonic()
    passages = await store(bed, scope, documents(corpus, scope.collection, docs))
    print(f"  {corpus.name}: {passages} passages stored in {time.monotonic() - started_s:.0f} s", flush=True)
    wanted = [question for question in questions_of(corpus) if half in {question.half, "all"}]
    await ask(agent, corpus, wanted[0])  # reads the vectors
    return [await ask(agent, corpus, question) for question in wanted]


async def measure(models: Models, corpora: Sequence[Corpus], options: Options) -> dict[str, list[Grade]]:
    """The grades of each corpus, by its name."""
    fetch([package for corpus in corpora for package in corpus.packages], options.docs)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with open_retrieval_bed(models, Path(folder), options.cache) as bed:
            return {
                corpus.name: await grades_of(bed, corpus, options.docs, options.half) for corpus in corpora
            }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [corpus.name for corpus in CORPORA]
    parser.add_argument("--corpora", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--half", choices=("dev", "test", "all"), default="test")
    parser.add_argument("--docs", type=Path, default=model_dir() / "docs", help="extracted packages")
    parser.add_argument("--cache", type=Path, default=model_dir(), help="where vectors are kept")
    asked = parser.parse_args()
    options = Options(asked.docs, asked.cache, asked.half)
    corpora = [corpus for corpus in CORPORA if corpus.name in asked.corpora.split(",")]
    report = Report({name: str(value) for name, value in vars(asked).items()})
    with environment():
        models = local_models(settings_for(Path(tempfile.gettempdir())), print)
        grades = asyncio.run(measure(models, corpora, options))
    table = [row for name, of_corpus in grades.items() for row in rows(name, of_corpus)]
    report.table(f"Search, {options.half} questions", table)
    report.sections |= {name: [one.as_dict() for one in of_corpus] for name, of_corpus in grades.items()}
    print(f"written to {report.write(RESULTS / 'retrieval-quality.json')}")


if __name__ == "__main__":
    main()

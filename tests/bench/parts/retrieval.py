"""Whether search finds the right page, and whether the prompt contains the answer, in several corpora.

The table is that of the study `retrieval_quality`, of its test half. Passages are embedded in the first run.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

from serve_app.local_models import local_models
from tests.bench.harness.bench import Bench
from tests.bench.harness.corpora import CORPORA, available
from tests.bench.harness.retrieval_grades import rows
from tests.bench.harness.surroundings import model_dir, settings_for
from tests.bench.studies.retrieval_quality import Options, measure


async def run(bench: Bench) -> None:
    """Prints the table of the corpora whose documents can be had."""
    options = Options(docs=model_dir() / "docs", cache=model_dir(), half="test")
    models = local_models(settings_for(Path(gettempdir())), print)
    grades = await measure(models, available(CORPORA, options.docs), options)
    bench.report.table(
        "Search, test questions", [row for name, of_corpus in grades.items() for row in rows(name, of_corpus)]
    )
    bench.report.add("retrieval", {name: [one.as_dict() for one in found] for name, found in grades.items()})

"""Thirty questions worded unlike the articles, each asked twice of the running application.

They were written before the search was tuned. Reported are the position of the right article among the
citations, what the second request saves, and how many expected key words the answers of the small embedded
model contain.
"""

from __future__ import annotations

import asyncio
import json
from statistics import median
from typing import Any

from tests.bench.harness.bench import Bench
from tests.bench.workload.agent_questions import FOLDER
from tests.integration.application.running import Application


async def run(bench: Bench) -> None:
    """Prints all figures as one table."""
    questions = [q for q in json.loads((FOLDER / "support_questions.json").read_text()) if q["official"]]
    rows = await asyncio.to_thread(_rows, await bench.application(), questions)
    figures = _figures(rows, sum(len(question["keywords"]) for question in questions))
    table = [{"what": name, "value": float(value)} for name, value in figures.items()]
    bench.report.table("Thirty questions asked twice", table)
    bench.report.add("support_questions", figures | {"rows": rows})


def _rows(application: Application, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    application.http.post("/v1/cache/clear", json={}).raise_for_status()
    return [_row(application, question) for question in questions]


def _figures(rows: list[dict[str, Any]], key_words_expected: int) -> dict[str, Any]:
    with_prompt = [row for row in rows if row["prompt_tokens"]]
    return {
        "questions": len(rows),
        "right_article_first": sum(row["first"] for row in rows),
        "right_article_cited": sum(row["cited"] for row in rows),
        "key_words": sum(row["key_words"] for row in rows),
        "key_words_expected": key_words_expected,
        "prompt_tokens_median": median(row["prompt_tokens"] for row in with_prompt),
        "first_tokenized_segments": sum(row["tokenized"][0] for row in rows),
        "second_tokenized_segments": sum(row["tokenized"][1] for row in rows),
        "kv_share_second_min": min(row["kv_share"] for row in with_prompt),
        "engine_ttft_first_ms_median": median(row["engine_ms"][0] for row in with_prompt),
        "engine_ttft_second_ms_median": median(row["engine_ms"][1] for row in with_prompt),
        "engine_ttft_lower_by_median": median(row["lower_by"] for row in with_prompt),
        "engine_ttft_lower_by_min": min(row["lower_by"] for row in with_prompt),
        "ttft_first_ms_median": median(row["ttft_ms"][0] for row in with_prompt),
        "ttft_second_ms_median": median(row["ttft_ms"][1] for row in with_prompt),
    }


def _row(application: Application, question: dict[str, Any]) -> dict[str, Any]:
    first, second = (application.ask(question["question"], max_tokens=48) for _ in range(2))
    right = {question["doc_id"], *question["also"]}
    cited = [citation["doc_id"] for citation in first["citations"]]
    engine_ms = [_engine_ms(answer) for answer in (first, second)]
    return {
        "id": question["id"],
        "first": bool(cited) and cited[0] in right,
        "cited": bool(right & set(cited)),
        "key_words": sum(_plain(word) in _plain(first["response"]) for word in question["keywords"]),
        "prompt_tokens": first["reuse"]["prompt_tokens"],
        "tokenized": [answer["reuse"]["tokenized"] for answer in (first, second)],
        "kv_share": second["reuse"]["kv_cached_tokens"] / max(second["reuse"]["prompt_tokens"], 1),
        "engine_ms": engine_ms,
        "lower_by": 1 - engine_ms[1] / engine_ms[0] if engine_ms[0] else 0.0,
        "ttft_ms": [answer["timings_ms"]["ttft"] for answer in (first, second)],
        "response": first["response"],
    }


def _engine_ms(answer: dict[str, Any]) -> float:
    return float(answer["timings_ms"]["queue"] + answer["timings_ms"]["prefill"])


def _plain(text: str) -> str:
    """Lower case, and "5%" for "5 %"."""
    return text.lower().replace(" %", "%")

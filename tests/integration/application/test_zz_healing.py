"""Parts of the running application are killed during questions, and it heals by itself.

Runs after the other files, which expect the engine that the application has started with.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.application.running import Application, until

QUESTION = "How do I get a refund?"
CORE_BACK_WITHIN_S = 120.0
"""Four times what the study of faults measures: here other tests run meanwhile."""


@pytest.mark.parametrize("part", ["Support", "Knowledge", "TokenCache"])
def test_a_question_outlives_the_replica_that_works_on_it(application: Application, part: str) -> None:
    """It is asked again in the next replica, and has the same prompt."""
    expected = sorted(application.ask(QUESTION)["prompt_token_ids"])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(application.ask, QUESTION, max_tokens=60)
        time.sleep(0.5)  # it takes longer to write its 60 tokens
        application.kill(f"ray::ServeReplica:default:{part}")
        answers = [asked.result(), application.ask(QUESTION)]
    assert [sorted(answer["prompt_token_ids"]) for answer in answers] == [expected, expected]


def test_a_killed_engine_core_is_replaced_in_its_replica(application: Application) -> None:
    """Until then, calls are refused at once. No answer claims blocks that went with the former core."""
    expected = sorted(application.ask(QUESTION)["prompt_token_ids"])
    body = {"query": "A question that nobody asked before?", "max_tokens": 200, "stream": True}
    with application.http.stream("POST", "/v1/support/answer", json=body) as response:
        lines = response.iter_lines()
        next(line for line in lines if line.startswith("event: delta"))
        application.kill("VLLM::EngineCore")
        rest = list(lines)
    assert "event: error" in rest
    assert rest[-2:] == ["data: [DONE]", ""]
    refused = _answer(application)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert refused.elapsed.total_seconds() < 5
    until(lambda: _answer(application).status_code == 200, CORE_BACK_WITHIN_S, "the engine did not come back")
    answer = application.ask(QUESTION)
    assert sorted(answer["prompt_token_ids"]) == expected
    assert answer["reuse"]["kv_cached_tokens"] < answer["reuse"]["prompt_tokens"]


def _answer(application: Application) -> httpx.Response:
    return application.http.post("/v1/support/answer", json={"query": QUESTION, "max_tokens": 1})

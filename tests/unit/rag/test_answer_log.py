"""Each answer is logged in one line, which contains the question only where that is configured."""

import json
import logging
from dataclasses import asdict

import pytest

from deployments.core.errors import EngineUnavailable
from deployments.rag.answer_log import AnswerLog
from tests.fakes import a_passage
from tests.unit.rag.rig import Rig, question


@pytest.fixture
def lines(caplog):
    """Reads the lines of the log so far."""
    caplog.set_level(logging.INFO, "ray.serve")
    return lambda: [record.getMessage() for record in caplog.records if " answer {" in record.getMessage()]


def logged_rig(*, with_questions=False, passages=1, as_fields=False):
    return Rig(
        [a_passage(n) for n in range(passages)],
        answered=[AnswerLog("support", with_questions=with_questions, as_fields=as_fields)],
    )


async def test_an_answer_is_one_line_of_its_figures(lines):
    """The seed's fields, the tenant and the request's id, equal to those of the answer."""
    answer = await logged_rig().answer()
    (line,) = lines()
    prefix, _, fields = line.partition(" answer ")
    assert prefix == "[support]"
    assert json.loads(fields) == {
        "request_id": "req-1",
        "tenant": "acme",
        "cache_hit": True,
        "hit_rate": round(answer.cache_stats.hit_rate, 1),
        "latency_ms": round(answer.latency_ms, 1),
        "context_tokens": answer.context_tokens,
        "query_tokens": answer.query_tokens,
        "answer_tokens": 12,
        "finish_reason": "stop",
        "reuse": asdict(answer.reuse) | {"dropped": []},
        "timings_ms": answer.timings_ms,
    }
    assert answer.context_tokens > 0
    assert answer.reuse.kv_cached_tokens == 32


async def test_a_formatter_of_json_gets_the_fields_themselves(caplog):
    """JSON inside a JSON string would have to be parsed twice."""
    caplog.set_level(logging.INFO, "ray.serve")
    answer = await logged_rig(as_fields=True).answer()
    (record,) = caplog.records
    assert record.getMessage() == "answer"
    assert (record.agent, record.request_id, record.tenant) == ("support", "req-1", "acme")
    assert (record.reuse, record.timings_ms) == (asdict(answer.reuse), answer.timings_ms)
    assert "question" not in vars(record)


async def test_an_answer_without_context_is_logged_as_such(lines):
    """The fallback is an answer too."""
    await logged_rig(passages=0).answer()
    (line,) = lines()
    assert '"answer": "no_context"' in line


async def test_questions_are_logged_only_when_configured(lines):
    """The line stays a single one, whatever the question contains."""
    hostile = question("my password is hunter2\n[support] answer {}")
    await logged_rig().answer(hostile)
    await logged_rig(with_questions=True).answer(hostile)
    without, with_question = lines()
    assert "hunter2" not in without
    assert "\n" not in with_question
    assert json.loads(with_question.partition(" answer ")[2])["question"] == hostile.text


async def test_half_an_answer_is_not_logged_as_one(lines):
    """A failed answer is no answer; its error is logged elsewhere."""
    rig = logged_rig()
    rig.generator.fault = EngineUnavailable("the replica died")
    with pytest.raises(EngineUnavailable):
        await rig.answer()
    assert lines() == []

"""Each answer is logged in one line. The texts of questions have files of their own, if at all."""

import json
import logging
from dataclasses import asdict

import pytest

from deployments.core.errors import EngineUnavailable
from deployments.core.ids import TenantId
from deployments.rag import question_log
from deployments.rag.answer_log import AnswerLog
from deployments.rag.question_log import QuestionLog
from tests.fakes import a_passage
from tests.unit.rag.rig import Rig, question


@pytest.fixture
def lines(caplog):
    """Reads the lines of the log so far."""
    caplog.set_level(logging.INFO, "ray.serve")
    return lambda: [record.getMessage() for record in caplog.records if " answer {" in record.getMessage()]


def logged_rig(questions=None, passages=1, *, as_fields=False):
    return Rig(
        [a_passage(n) for n in range(passages)],
        answered=[AnswerLog("support", questions, as_fields=as_fields)],
    )


def figures(reuse):
    """What a line has of a ledger: no document's id."""
    missed = {"never_seen": sum(miss.tokens for miss in reuse.missed)}
    fields = {name: value for name, value in asdict(reuse).items() if name != "passages"}
    return fields | {"dropped": len(reuse.dropped), "missed": missed}


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
        "reuse": figures(answer.reuse),
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
    assert (record.reuse, record.timings_ms) == (figures(answer.reuse), answer.timings_ms)
    assert "question" not in vars(record)


async def test_an_answer_without_context_is_logged_as_such(lines):
    """The fallback is an answer too."""
    await logged_rig(passages=0).answer()
    (line,) = lines()
    assert '"answer": "no_context"' in line


async def test_questions_are_in_the_tenants_own_file_and_not_in_the_log(lines, tmp_path):
    """Each is one line, whatever the question contains."""
    hostile, kept = question("my password is hunter2\n[support] answer {}"), QuestionLog(tmp_path / "kept")
    await logged_rig().answer(hostile)
    assert list(tmp_path.iterdir()) == []
    await logged_rig(kept).answer(hostile)
    assert all("hunter2" not in line for line in lines())
    (file,) = kept.folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("acme.jsonl", 0o600)
    (line,) = file.read_text().splitlines()
    fields = json.loads(line)
    assert (fields["question"], fields["agent"], fields["request_id"]) == (hostile.text, "support", "req-1")


def test_a_tenants_files_have_a_bounded_size_and_are_erased_alone(tmp_path, monkeypatch):
    """The oldest questions go first."""
    monkeypatch.setattr(question_log, "MAX_BYTES", 500)
    kept = QuestionLog(tmp_path)
    for tenant in ("a", "b"):
        for number in range(50):
            kept.add(TenantId(tenant), {"question": f"{number} of {tenant}"})
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"a.jsonl", "a.former.jsonl", "b.jsonl", "b.former.jsonl"}
    assert max(sizes.values()) < 600
    assert "49 of a" in (tmp_path / "a.jsonl").read_text() + (tmp_path / "a.former.jsonl").read_text()
    assert 0 < kept.erase(TenantId("a")) < 50
    assert {file.name for file in tmp_path.iterdir()} == {"b.jsonl", "b.former.jsonl"}
    assert kept.erase(TenantId("a")) == 0


def test_a_log_that_cannot_be_written_fails_no_answer(tmp_path):
    """The folder is a file."""
    (tmp_path / "kept").write_text("")
    QuestionLog(tmp_path / "kept").add(TenantId("a"), {"question": "Why?"})


async def test_half_an_answer_is_not_logged_as_one(lines):
    """A failed answer is no answer; its error is logged elsewhere."""
    rig = logged_rig()
    rig.generator.fault = EngineUnavailable("the replica died")
    with pytest.raises(EngineUnavailable):
        await rig.answer()
    assert lines() == []

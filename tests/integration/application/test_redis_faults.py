"""The shared cache is killed, damaged and restarted during questions: no errors, and the same ids."""

from __future__ import annotations

import os
import signal

from redis import Redis

from tests.integration.application.running import Application, until

QUESTION = "How do I get a refund?"


def test_killing_redis_during_questions_costs_nothing_but_hits(application: Application) -> None:
    """Every answer has the same prompt ids; the cache comes back by itself."""
    expected = application.ask(QUESTION)["prompt_token_ids"]
    flags = []
    for number in range(12):
        if number in {3, 6}:
            for pid in application.pids("valkey-server") or application.pids("valkey"):
                os.kill(pid, signal.SIGKILL)
        answer = application.ask(QUESTION, max_tokens=1)
        assert answer["prompt_token_ids"] == expected
        assert answer["cache_available"] == (answer["cache_error"] is None)
        flags.append(answer["cache_available"])
    until(
        lambda: bool(application.ask(QUESTION)["cache_available"]),
        20,
        f"the cache stays unavailable: {flags}",
    )


def test_damaged_entries_are_replaced(application: Application) -> None:
    """Corrupt bytes and values of another type are recomputed to the same ids, and then hit again."""
    application.put("umbrellas", "Umbrellas are lent at the reception for two days.", "rain-inc")
    ask = "Where are umbrellas lent?"
    expected = application.ask(ask, "rain-inc")["prompt_token_ids"]
    with Redis(unix_socket_path=_socket(application)) as redis:
        (key,) = redis.keys("warmline:seg:rain-inc/*")
        for damage in (lambda: redis.set(key, b"nonsense"), lambda: redis.lpush(key, b"a list")):
            for _ in range(5):  # a replica that has just joined may have missed the clearing of L1
                _forget(application, "rain-inc")
                redis.delete(key)
                damage()
                damaged = application.ask(ask, "rain-inc")
                assert damaged["prompt_token_ids"] == expected
                if damaged["reuse"]["tokenized"]:
                    break
            assert damaged["reuse"]["tokenized"] == 1
            assert redis.type(key) == b"string"


def _socket(application: Application) -> str:
    return str(application.state_dir / "redis" / "sock")


def _forget(application: Application, tenant: str) -> None:
    """Clears both cache levels, so that the next question reads the shared one."""
    application.http.post("/v1/cache/clear", json={}, headers={"x-business-id": tenant})

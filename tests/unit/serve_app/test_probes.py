"""Reports on readiness, which anybody may ask for without a key."""

from __future__ import annotations

import asyncio

import pytest

from deployments.core.errors import InternalFault, KnowledgeUnavailable
from serve_app.ingress import Probes


class Part:
    """Counts how often it is asked, and raises `error` if it is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def ready(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


async def test_however_many_ask_a_part_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part()
    probes = Probes({"engine": part.ready})
    reports = await asyncio.gather(*(probes.report() for _ in range(20)))
    assert reports == [{"engine": "ready"}] * 20
    assert part.asked == 1
    monkeypatch.setattr("serve_app.ingress._REPORT_FOR_S", 0.0)
    probes = Probes({"engine": part.ready})
    await probes.report()
    part.error = KnowledgeUnavailable("the database can't be used; try again later")
    assert await probes.report() == {"engine": "the database can't be used; try again later"}


async def test_the_words_of_an_internal_fault_are_not_reported() -> None:
    part = Part()
    part.error = InternalFault("relation documents of 10.0.3.7 is corrupt")
    report = await Probes({"knowledge": part.ready}).report()
    assert report == {"knowledge": "an internal error happened; its cause is in the server's log"}

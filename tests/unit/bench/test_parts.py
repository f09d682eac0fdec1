"""The table of the benchmark's parts, and what is started for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import parts
from tests.bench.harness import bench as module
from tests.bench.harness.bench import Bench
from tests.bench.harness.engine_rate import Rate
from tests.bench.harness.plan import SHORT
from tests.bench.run import PARTS


def test_each_file_is_a_part() -> None:
    """A file without a row would never run."""
    files = {file.stem for file in Path(next(iter(parts.__path__))).glob("*.py")}
    assert {part.name for part in PARTS} == files


def test_a_short_run_leaves_out_the_long_parts() -> None:
    """Those that need minutes on two cores."""
    short = [part.name for part in PARTS if part.in_short]
    assert short == ["tokens", "answers", "lengths", "mixed", "overhead", "hops"]


class _Report:
    def __init__(self, events: list[str]) -> None:
        self._events = events

    def add(self, section: str, _figures: Any) -> None:
        self._events.append(f"report {section}")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lists what a bench starts, reports and ends, in order. Nothing is really started."""
    events: list[str] = []

    def opening(name: str) -> Any:
        @asynccontextmanager
        async def opened(settings: Any, *_: Any) -> AsyncIterator[Any]:
            events.append(f"start {name}")
            yield SimpleNamespace(settings=settings)
            events.append(f"end {name}")

        return opened

    @contextmanager
    def running(*_: Any) -> Iterator[Any]:
        events.append("start application")
        yield SimpleNamespace(http=SimpleNamespace(base_url="http://here/"))
        events.append("end application")

    async def rate_of(_engine: Any) -> Rate:
        return Rate(1000.0, 10.0, 100.0)

    async def held(_testbed: Any, _engine: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(module, "open_engine", opening("engine"))
    monkeypatch.setattr(module, "open_testbed", opening("testbed"))
    monkeypatch.setattr(module, "running_application", running)
    monkeypatch.setattr(module, "local_models", lambda *_: None)
    monkeypatch.setattr(module, "rate_of", rate_of)
    monkeypatch.setattr(module, "held", held)
    return events


def _bench(events: list[str]) -> Bench:
    report: Any = _Report(events)
    return Bench(SHORT, 1, [], report)


async def test_the_testbed_is_closed_before_the_application_starts(events: list[str]) -> None:
    """They use the same state directory; what the caches hold is reported in between."""
    async with _bench(events) as bench:
        assert await bench.url() == await bench.url() == "http://here"
        with pytest.raises(RuntimeError, match="testbed"):
            await bench.testbed()
        await bench.stop()
    assert events == [
        *("start engine", "report engine", "start testbed", "report caches", "end testbed"),
        *("start application", "end application", "end engine"),
    ]


async def test_a_part_may_start_things_again_after_all_were_stopped(events: list[str]) -> None:
    """The engine's speed was measured before."""
    async with _bench(events) as bench:
        before = bench.known_rate
        await bench.stop()
        assert before is None
        assert events == []
        await bench.engine()
        await bench.stop()
        assert bench.known_rate == await bench.rate() == Rate(1000.0, 10.0, 100.0)
    assert events.count("start engine") == events.count("end engine") == 2


async def test_an_error_in_a_part_ends_what_was_started(events: list[str]) -> None:
    """The caches are not reported then."""

    async def fail() -> None:
        async with _bench(events) as bench:
            await bench.testbed()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert events == ["start engine", "report engine", "start testbed", "end testbed", "end engine"]

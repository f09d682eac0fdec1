"""An engine replica's counters, exported as metrics."""

from __future__ import annotations

import asyncio

import pytest

from deployments.engine.counters import EngineCounters
from serve_app.engine import gauges
from serve_app.engine.gauges import export_engine_gauges


class RecordingGauge:
    """Replaces Ray's Gauge, which needs a running Ray."""

    values: dict[str, float] = {}  # noqa: RUF012  shared by all gauges; the test empties it

    def __init__(self, name: str, description: str) -> None:
        assert description
        self._name = name

    def set(self, value: float) -> None:
        self.values[self._name] = value


async def test_the_replicas_counters_are_exported_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gauges, "Gauge", RecordingGauge)
    monkeypatch.setattr(gauges, "EVERY_S", 0.01)
    RecordingGauge.values.clear()
    counters = [EngineCounters(resident_blocks=5, resident_paths=2, pending_tokens=7)]
    exporting = asyncio.create_task(export_engine_gauges(lambda: counters[-1]))
    await asyncio.sleep(0.05)
    assert RecordingGauge.values == {
        "warmline_engine_resident_blocks": 5.0,
        "warmline_engine_resident_paths": 2.0,
        "warmline_engine_residency_estimated": 0.0,
        "warmline_engine_pending_tokens": 7.0,
    }
    counters.append(EngineCounters(residency_estimated=True))
    await asyncio.sleep(0.05)
    assert RecordingGauge.values["warmline_engine_residency_estimated"] == 1.0
    exporting.cancel()
    await asyncio.gather(exporting, return_exceptions=True)

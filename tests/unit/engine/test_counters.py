"""The engine's counters, from what its scheduler reports after each step."""

from __future__ import annotations

from types import SimpleNamespace

from deployments.engine.counters import EngineCounters, SchedulerLog


def step(running: int, queries: int, hits: int) -> SimpleNamespace:
    prefix = SimpleNamespace(queries=queries, hits=hits)
    return SimpleNamespace(
        num_running_reqs=running, num_waiting_reqs=1, kv_cache_usage=0.5, prefix_cache_stats=prefix
    )


def test_gauges_are_the_latest_and_prefix_counts_add_up() -> None:
    scheduler_log = SchedulerLog()
    scheduler_log.record(step(2, queries=100, hits=64), None, mm_cache_stats=None, engine_idx=0)
    scheduler_log.record(step(1, queries=50, hits=32), None)
    assert scheduler_log.counters == EngineCounters(1, 1, 0.5, prefix_queries=150, prefix_hits=96)


def test_a_step_without_statistics_changes_nothing() -> None:
    scheduler_log = SchedulerLog()
    scheduler_log.record(step(2, queries=100, hits=64), None)
    before = scheduler_log.counters
    scheduler_log.record(None, None)
    assert scheduler_log.counters == before

"""The number of engine replicas that waiting prompts need."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig

from deployments.engine.service import PENDING_TOKENS, PREFILL_RATE
from serve_app import scaling
from serve_app.engine.queued_prefill import Figures, QueuedPrefill, replicas_for_tokens
from serve_app.settings import Settings

_TOKENS = st.lists(st.integers(0, 10**6), min_size=1, max_size=8)
_RATES = st.lists(st.floats(1, 10**6), min_size=1, max_size=8)


def _figures(pending: list[int], rates: list[float]) -> dict[str, dict[int, float]]:
    return {PENDING_TOKENS: dict(enumerate(map(float, pending))), PREFILL_RATE: dict(enumerate(rates))}


def _context(figures: Figures | None = None, replicas: int = 1, requests: float = 0) -> SimpleNamespace:
    config = AutoscalingConfig(
        min_replicas=1, max_replicas=4, target_ongoing_requests=32, upscale_delay_s=0, downscale_delay_s=0
    )
    return SimpleNamespace(
        current_num_replicas=replicas,
        target_num_replicas=max(replicas, 1),
        total_num_requests=requests,
        aggregated_metrics=figures or {},
        config=config,
        policy_state={},
    )


@given(_TOKENS, _RATES, st.floats(0.1, 60))
def test_that_many_replicas_prefill_all_in_time(pending: list[int], rates: list[float], wait_s: float):
    """And one less would not."""
    wanted = replicas_for_tokens(_figures(pending, rates), wait_s)
    rate = sum(rates) / len(rates)
    assert wanted * rate * wait_s == pytest.approx(sum(pending))


@given(_TOKENS, _RATES, st.integers(0, 10**6))
def test_more_tokens_never_need_fewer_replicas(pending: list[int], rates: list[float], more: int):
    less = replicas_for_tokens(_figures(pending, rates), 2.0)
    assert replicas_for_tokens(_figures([*pending, more], rates), 2.0) >= less


@pytest.mark.parametrize("rates", [[], [0.0]])
def test_without_a_measured_rate_tokens_decide_nothing(rates: list[float]):
    """Nobody knows how long they wait."""
    assert replicas_for_tokens(_figures([10**6], rates), 2.0) == 0


def test_requests_or_tokens_decide_whichever_needs_more():
    """1,500 tokens a second: 9,000 tokens are 6 s of work for one replica, 2 s for three."""
    waiting = _figures([9000], [1500.0])
    assert QueuedPrefill()(_context(waiting, requests=16)) == (3.0, {})
    assert QueuedPrefill()(_context(waiting, requests=128)) == (4.0, {})
    assert QueuedPrefill(wait_s=6)(_context(waiting, requests=16)) == (1.0, {})


def test_an_idle_engine_needs_no_replica_and_a_starting_one_stays():
    """Serve's bounds keep the minimum. Without a running replica there are no figures."""
    assert QueuedPrefill()(_context()) == (0.0, {})
    assert QueuedPrefill()(_context(replicas=0)) == (1, {})


def test_serve_applies_its_delays():
    """As to any policy: with no delay, the answer is the rounded one."""
    decided, _ = _apply_autoscaling_config(QueuedPrefill())(_context(_figures([7000], [1500.0])))
    assert decided == 3


def test_the_deployment_has_the_policy():
    """As Serve makes it from the deployment's options."""
    options = scaling.engine(Settings.from_env({}))
    policy = AutoscalingConfig(**options["autoscaling_config"]).policy
    assert policy.get_policy() is QueuedPrefill


def test_a_wait_of_nothing_is_refused():
    with pytest.raises(ValueError, match="wait_s"):
        QueuedPrefill(wait_s=0)

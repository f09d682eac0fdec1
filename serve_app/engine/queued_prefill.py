"""How many engine replicas the load needs: by requests, and by the prompt tokens that wait for prefill.

A count of requests does not tell how long they wait: eight short questions are less work than one prompt of
8,000 tokens that no cache holds. The engines report how many tokens wait and how fast they are prefilled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.engine.service import PENDING_TOKENS, PREFILL_RATE

PATH = f"{__name__}:QueuedPrefill"
"""The policy's name in Serve's configurations."""
Figures = Mapping[str, Mapping[Any, float]]
"""What replicas report, averaged over Serve's `look_back_period_s`: name -> replica -> value."""


def replicas_for_tokens(figures: Figures, wait_s: float) -> float:
    """How many replicas prefill all waiting tokens within `wait_s` seconds.

    A replica counts as fast as the average of those that have measured it; 0 if none has. Pure.
    """
    rates = [rate for rate in figures.get(PREFILL_RATE, {}).values() if rate > 0]
    if not rates:
        return 0.0
    waiting = sum(figures.get(PENDING_TOKENS, {}).values())
    return waiting / (wait_s * sum(rates) / len(rates))


@dataclass(frozen=True)
class QueuedPrefill:
    """An autoscaling policy of Serve, which applies bounds and delays to what it returns."""

    wait_s: float = 2.0
    """How long prompt tokens should wait at most, in seconds."""

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not self.wait_s > 0:
            raise ValueError(f"wait_s is {self.wait_s}: it must be more than 0 seconds")

    def __call__(self, context: Any) -> tuple[float, dict[str, Any]]:
        """The number of replicas for an AutoscalingContext, and no state."""
        if not context.current_num_replicas:
            return context.target_num_replicas, {}  # a replica is starting, and reports nothing yet
        by_requests = context.total_num_requests / context.config.get_target_ongoing_requests()
        return max(by_requests, replicas_for_tokens(context.aggregated_metrics or {}, self.wait_s)), {}

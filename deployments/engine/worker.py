"""Loaded into each of the engine's worker processes, beside vLLM's own worker."""

from __future__ import annotations

from deployments.engine import cpu_generator, cpu_priority
from deployments.engine.owner import DiesWithOwner

cpu_generator.install()
cpu_priority.yield_to_others()


class WorkerExtension(DiesWithOwner):
    """The worker extension. vLLM makes no instance of it: that this module was loaded is what counts."""

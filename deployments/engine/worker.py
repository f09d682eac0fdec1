"""Loaded into each of the engine's worker processes, beside vLLM's own worker."""

from __future__ import annotations

from deployments.core import process_memory
from deployments.engine import cpu_generator, cpu_priority
from deployments.engine.owner import DiesWithOwner

cpu_generator.install()
cpu_priority.yield_to_others()


class WorkerExtension(DiesWithOwner):
    """Base class that vLLM adds to its worker. Loading this module has started what the worker needs."""

    def give_back_memory(self) -> None:
        """Called once the model is loaded: loading frees as much again as an int8 model has."""
        process_memory.give_back()

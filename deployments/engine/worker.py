"""Loaded into each of the engine's worker processes, beside vLLM's own worker."""

from __future__ import annotations

from deployments.core import process_memory
from deployments.engine import cpu_generator, cpu_priority, owner

owner.watch_owner()
cpu_generator.install()
cpu_priority.lower_priority_without_gpu()


class WorkerExtension:
    """Base class that vLLM adds to its worker. Importing this module has prepared the worker's process."""

    def give_back_memory(self) -> None:
        """Called once the model is loaded: loading frees as much again as an int8 model has."""
        process_memory.give_back()

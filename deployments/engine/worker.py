"""vLLM imports this module in each of the engine's worker processes, which it thereby prepares."""

from __future__ import annotations

from deployments.core import process_memory
from deployments.engine import cpu_generator, cpu_priority, owner

owner.watch_owner()
cpu_generator.install()
cpu_priority.lower_priority_without_gpu()


class WorkerExtension:
    """Base class that vLLM adds to its worker; its methods can be called with `collective_rpc`."""

    def give_back_memory(self) -> None:
        """Returns memory to the system: loading an int8 model frees as much as the model needs."""
        process_memory.give_back()

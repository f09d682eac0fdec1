"""Makes seeded sampling work on a CPU for prompts that are prefilled in chunks.

After each chunk vLLM samples a token, discards it, and rewinds the request's random generator by what
that drew. It sets the generator's offset, which CUDA's generators have. A CPU's generator has none and
raises, which ends the engine (vLLM 0.32, `gpu_model_runner.py`, `_bookkeeping_sync`). During prefill
every draw is discarded, so rewinding is the same as seeding the generator again.
"""

from __future__ import annotations

import torch


class RewindableGenerator(torch.Generator):  # type: ignore[misc]  # torch is not followed
    """A `torch.Generator` that can also be rewound on a CPU, to its beginning only."""

    def get_offset(self) -> int:
        """How much was drawn; always 0 on a CPU."""
        return int(super().get_offset()) if self.device.type != "cpu" else 0

    def set_offset(self, offset: int) -> None:
        """Moves to `offset`; on a CPU, always to the beginning."""
        if self.device.type != "cpu":
            super().set_offset(offset)
        else:
            self.manual_seed(self.initial_seed())


def install() -> None:
    """Replaces `torch.Generator` in this process, so that vLLM makes `RewindableGenerator`s."""
    torch.Generator = RewindableGenerator

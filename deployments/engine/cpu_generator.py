"""Seeded sampling on a CPU, for prompts that are prefilled in parts.

After each part vLLM rewinds a request's generator by what the part's discarded sample has drawn. It does so
by the offset of CUDA's counter-based generators. A CPU's has none and raises, which ends the engine (vLLM
0.32, `gpu_model_runner.py`, `_bookkeeping_sync`). While a prompt is prefilled nothing has been drawn that
counts, so rewinding means beginning anew with the seed.
"""

from __future__ import annotations

import torch


class RewindableGenerator(torch.Generator):  # type: ignore[misc]  # torch is not followed
    """A `torch.Generator` whose offset, on a CPU, is always 0: setting one starts it anew."""

    def get_offset(self) -> int:
        """What was drawn; 0 on a CPU."""
        return int(super().get_offset()) if self.device.type != "cpu" else 0

    def set_offset(self, offset: int) -> None:
        """Goes to an offset; on a CPU to the beginning."""
        if self.device.type != "cpu":
            super().set_offset(offset)
        else:
            self.manual_seed(self.initial_seed())


def install() -> None:
    """Makes vLLM's generators in this process rewindable."""
    torch.Generator = RewindableGenerator

"""A CPU's generator that vLLM can rewind."""

from __future__ import annotations

import pytest
import torch

from deployments.engine.cpu_generator import RewindableGenerator


def drawn(generator: RewindableGenerator) -> list[float]:
    values: list[float] = torch.empty(4).exponential_(generator=generator).tolist()
    return values


def test_rewound_it_draws_what_its_seed_begins_with() -> None:
    """vLLM rewinds it by its offset after each chunk of a prompt."""
    generator = RewindableGenerator(device="cpu")
    generator.manual_seed(7)
    first = drawn(generator)
    assert drawn(generator) != first
    generator.set_offset(generator.get_offset() - 4)
    assert drawn(generator) == first


def test_the_generator_it_stands_for_cannot_be_rewound() -> None:
    """When this fails, `RewindableGenerator` is no longer needed."""
    (original,) = RewindableGenerator.__bases__
    with pytest.raises(RuntimeError, match="offset"):
        original(device="cpu").set_offset(0)

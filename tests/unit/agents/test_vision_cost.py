"""The baseline is the published formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.agents.vision_cost import BASELINE_FORMULA, baseline_tokens

sides = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1024, 1024, 765),  # both published: 768 x 768, four tiles
        (2048, 4096, 1105),  # 1024 x 2048, then 768 x 1536, six tiles
        (512, 512, 255),
        (513, 512, 425),
        (1, 1, 255),
        (150, 150, 255),
        (900, 420, 425),
        (1920, 1080, 1105),
        (4096, 1024, 765),  # 2048 x 512
        (20_000_000, 1, 765),
    ],
)
def test_tokens_of_a_size(width, height, tokens):
    assert baseline_tokens(width, height) == tokens


@given(sides, sides)
def test_a_turned_image_costs_the_same(width, height):
    assert baseline_tokens(width, height) == baseline_tokens(height, width)


@given(sides, sides)
def test_between_one_tile_and_the_eight_of_768_by_2048(width, height):
    tiles, rest = divmod(baseline_tokens(width, height) - 85, 170)
    assert rest == 0
    assert 1 <= tiles <= 8


@given(st.integers(1, 40))
def test_no_rounding_error_adds_a_row_of_tiles(times):
    assert baseline_tokens(768 * times, 1024 * times) == 765


def test_the_formula_names_its_model_and_source():
    assert "GPT-4o" in BASELINE_FORMULA
    assert "platform.openai.com" in BASELINE_FORMULA

"""The tokens that a vision model charges for an image: the baseline for the tokens of its text."""

from __future__ import annotations

from fractions import Fraction

BASELINE_FORMULA = (
    "OpenAI GPT-4o, detail=high: fit into 2048 x 2048 px, then shortest side to 768 px, never enlarged; "
    "170 tokens per 512 px tile + 85 (platform.openai.com/docs/guides/images-vision, Calculating costs)"
)
_FIT_PX = 2048
_SHORTEST_PX = 768
_TILE_PX = 512
_TILE_TOKENS = 170
_BASE_TOKENS = 85


def baseline_tokens(width_px: int, height_px: int) -> int:
    """The tokens of an image by `BASELINE_FORMULA`. Both sizes must be positive.

    The published text does not say whether a small image is enlarged. This does not enlarge it, which
    gives the smaller baseline and so rather understates savings.
    """
    fit = min(Fraction(1), Fraction(_FIT_PX, max(width_px, height_px)))
    # Fractions: a float slightly above 512 would add a whole row of tiles.
    scale = min(fit, Fraction(_SHORTEST_PX, min(width_px, height_px)))
    tiles_across, tiles_down = (-(-(side * scale) // _TILE_PX) for side in (width_px, height_px))
    return _TILE_TOKENS * int(tiles_across * tiles_down) + _BASE_TOKENS

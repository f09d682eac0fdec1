"""What a vision model charges for an image: the baseline that the text of an image is compared with."""

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
    """Tokens of an image of this size by `BASELINE_FORMULA`. Sizes are positive.

    The published text leaves open whether a small image is enlarged; taking it as it is gives the
    smaller baseline, so that savings are rather understated.
    """
    fit = min(Fraction(1), Fraction(_FIT_PX, max(width_px, height_px)))
    # Fractions, since a float that lands a hair above 512 would cost a whole row of tiles.
    scale = min(fit, Fraction(_SHORTEST_PX, min(width_px, height_px)))
    tiles_across, tiles_down = (-(-(side * scale) // _TILE_PX) for side in (width_px, height_px))
    return _TILE_TOKENS * int(tiles_across * tiles_down) + _BASE_TOKENS

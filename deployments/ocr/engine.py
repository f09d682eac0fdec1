"""Reads text in pictures: the adapter to RapidOCR (PP-OCR models on onnxruntime)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from PIL import Image, ImageOps

from deployments.core.errors import InternalFault, Unavailable
from deployments.core.ticket_image import Point, Quadrilateral, TextLine

_LONGEST_PX = 2000
"""Larger pictures are reduced to this first: detection in a square of this side takes 1 GB of memory."""
_LARGEST_ASPECT = 4
"""Narrower pictures get a border: the detector enlarges them until the short side has 736 px."""
_SURE = 0.85
"""Text that is read upright has a mean confidence above this, text that is upside down one below."""
_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Cls.model_path": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}
"""Files in the rapidocr package. They are named because RapidOCR downloads models it is not given."""


@dataclass(frozen=True, slots=True)
class UprightText:
    """The lines of a picture, which was turned so that they are upright."""

    lines: tuple[TextLine, ...]
    """Boxes in pixels of the turned picture."""
    quarter_turns: int
    """How often the picture was turned by 90 degrees counterclockwise."""
    width_px: int
    """Width of the turned picture."""
    height_px: int
    """Height of the turned picture."""

    def as_given(self) -> tuple[TextLine, ...]:
        """The lines with boxes in pixels of the picture as it was given."""
        return tuple(
            TextLine(line.text, line.confidence, cast(Quadrilateral, tuple(map(self._back, line.box))))
            for line in self.lines
        )

    def _back(self, point: Point) -> Point:
        x, y = point
        width, height = self.width_px, self.height_px
        return ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[self.quarter_turns]


class OcrEngine:
    """Reads pictures one at a time. The first picture loads the models, in about 1 s.

    The process then takes 0.5 to 1 GB, depending on the pictures' size. Pictures with a side of more than
    2000 px are reduced to that. Lines with a confidence below 0.5 are left out.
    """

    def __init__(self, threads: int = 1) -> None:
        """`threads` are onnxruntime's."""
        self._threads = max(1, min(threads, os.cpu_count() or 1))
        self._engine: Any = None

    def read(self, picture: Image.Image) -> UprightText:
        """Reads an RGB or RGBA picture, in whichever of the four directions its text is upright.

        RapidOCR's own classifier of direction is not used: it turns long lines upside down. Raises
        Unavailable (the models can't be loaded), InternalFault.
        """
        best = self._turned_and_read(picture, 0)
        turns = (1, 3) if _mostly_upright_boxes(best) else (2,)
        if best.lines and (turns != (2,) or _confidence(best) < _SURE):
            others = (self._turned_and_read(picture, turn) for turn in turns)
            best = max(best, *others, key=_confidence)
        return best

    def _turned_and_read(self, picture: Image.Image, quarter_turns: int) -> UprightText:
        turned = picture.rotate(90 * quarter_turns, expand=True) if quarter_turns else picture
        return UprightText(self._lines(turned), quarter_turns, *turned.size)

    def _lines(self, picture: Image.Image) -> tuple[TextLine, ...]:
        width_px, height_px = picture.size
        small = picture.copy()
        small.thumbnail((_LONGEST_PX, _LONGEST_PX))
        scale = max(width_px, height_px) / max(small.size)
        border = _border(*small.size)
        framed = ImageOps.expand(small, border, _corner_color(small)) if any(border) else small
        placed = _placer(border, scale, width_px, height_px)
        return tuple(
            TextLine(text.strip(), round(float(score), 4), placed(box))
            for box, text, score in _found(self._recognised(framed))
        )

    def _recognised(self, picture: Image.Image) -> Any:
        try:
            if self._engine is None:
                self._engine = _loaded(self._threads)
            return self._engine(picture, use_cls=False)
        except (ImportError, OSError) as error:  # the engine opens its models on first use
            raise Unavailable("images can't be read here: the OCR models can't be loaded") from error
        except MemoryError:
            raise
        except Exception as error:
            raise InternalFault("reading the image's text failed") from error


def _confidence(text: UprightText) -> float:
    return fmean(line.confidence for line in text.lines) if text.lines else 0.0


def _mostly_upright_boxes(text: UprightText) -> bool:
    """Whether most lines run from top to bottom: the text lies on its side."""
    boxes = [(list(zip(*line.box, strict=True)), len(line.text)) for line in text.lines]
    upright = sum(chars for (xs, ys), chars in boxes if max(ys) - min(ys) > 1.5 * (max(xs) - min(xs)))
    return 2 * upright > sum(chars for _, chars in boxes)


def _border(width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Pixels to add on the left, top, right and bottom, so that no side exceeds the largest aspect."""
    shortest_px = -(-max(width_px, height_px) // _LARGEST_ASPECT)
    across, down = max(0, shortest_px - width_px), max(0, shortest_px - height_px)
    return across // 2, down // 2, across - across // 2, down - down // 2


def _corner_color(picture: Image.Image) -> tuple[int, ...]:
    return cast(tuple[int, ...], picture.getpixel((0, 0)))


def _loaded(threads: int) -> Any:
    """The OCR engine. It opens its three model files and never uses the network."""
    import rapidocr

    folder = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            **{option: str(folder / file) for option, file in _MODELS.items()},
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_batch_num": 1,  # several long lines at once take more memory and no less time
            "Global.use_preprocess_img": False,  # size and aspect were adjusted before
            "Global.use_vertical_padding": False,
            "Global.log_level": "error",
        }
    )


def _found(result: Any) -> list[tuple[Any, str, float]]:
    texts = getattr(result, "txts", None)
    if texts is None:  # no text, or only boxes without recognised text
        return []
    found = zip(result.boxes, texts, result.scores, strict=True)
    return [(box, text, score) for box, text, score in found if text.strip()]


def _placer(
    border: tuple[int, int, int, int], scale: float, width_px: int, height_px: int
) -> Callable[[Any], Quadrilateral]:
    """Converts boxes in the framed, reduced picture to pixels of the original one."""
    left, top, *_ = border

    def point(corner: Any) -> Point:
        x_px, y_px = (float(corner[0]) - left) * scale, (float(corner[1]) - top) * scale
        return round(min(max(x_px, 0.0), float(width_px)), 1), round(min(max(y_px, 0.0), float(height_px)), 1)

    def placed(box: Any) -> Quadrilateral:
        top_left, top_right, bottom_right, bottom_left = box
        return point(top_left), point(top_right), point(bottom_right), point(bottom_left)

    return placed

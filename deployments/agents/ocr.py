"""Reads text in images: the adapter to RapidOCR (PP-OCR models on onnxruntime) and Pillow."""

from __future__ import annotations

import asyncio
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from PIL import Image, ImageOps

from deployments.agents.text_layout import rows_of
from deployments.core.errors import InternalFault, Overloaded, Unavailable, UnprocessableDocument
from deployments.core.ticket_image import ImageText, Point, TextLine

_FORMATS = ("PNG", "JPEG", "WEBP")
_LONGEST_PX = 2000
"""Larger images are reduced to this first: detection in a square of this side takes 1 GB of memory."""
_LARGEST_ASPECT = 4
"""Narrower images get a border: the detector enlarges them until the short side has 736 px."""
_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Cls.model_path": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}
"""Files in the rapidocr package. They are named because RapidOCR downloads models it is not given."""


class RapidOcrReader:
    """Reads text with the models in the rapidocr package, one image at a time, in its own thread.

    The first image loads the models, in about 1 s. The process then takes 0.5 to 1 GB, depending on the
    images' size. Images with a side of more than 2000 px are reduced to that. Lines with a confidence
    below 0.5 are left out.
    """

    def __init__(self, threads: int = 1, max_pixels: int = 20_000_000, max_waiting: int = 8) -> None:
        """`threads` are onnxruntime's. Images of more than `max_pixels` are refused before decoding."""
        self._threads = max(1, min(threads, os.cpu_count() or 1))
        self._max_pixels = max_pixels
        self._max_waiting = max_waiting
        self._waiting = 0
        self._worker = ThreadPoolExecutor(1, "ocr")
        self._engine: Any = None

    async def read(self, image: bytes) -> ImageText:
        """The lines of a PNG, JPEG or WebP image in reading order; none if it has no text.

        Raises UnprocessableDocument (damaged), Overloaded (too many images wait), Unavailable (the
        models can't be loaded), InternalFault.
        """
        if self._waiting >= self._max_waiting:
            raise Overloaded("too many images are waiting to be read; try again later")
        reading = asyncio.get_running_loop().run_in_executor(self._worker, self._read, image)
        self._waiting += 1
        reading.add_done_callback(self._done)
        return await reading

    def close(self) -> None:
        """Ends the thread after the current image."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: asyncio.Future[ImageText]) -> None:
        self._waiting -= 1

    def _read(self, image: bytes) -> ImageText:
        picture = _decoded(image, self._max_pixels)
        width_px, height_px = picture.size
        picture.thumbnail((_LONGEST_PX, _LONGEST_PX))
        scale = max(width_px, height_px) / max(picture.size)
        border = _border(*picture.size)
        framed = ImageOps.expand(picture, border, _corner_color(picture)) if any(border) else picture
        result = self._recognised(framed)
        lines = [
            TextLine(text.strip(), round(float(score), 4), _placed(box, border, scale, width_px, height_px))
            for box, text, score in _found(result)
        ]
        ordered = tuple(line for row in rows_of(lines) for line in row.lines)
        return ImageText(width_px, height_px, ordered)

    def _recognised(self, picture: Image.Image) -> Any:
        try:
            if self._engine is None:
                self._engine = _loaded(self._threads)
            return self._engine(picture)
        except (ImportError, OSError) as error:  # the engine opens its models on first use
            raise Unavailable("images can't be read here: the OCR models can't be loaded") from error
        except Exception as error:
            raise InternalFault("reading the image's text failed") from error


def _decoded(image: bytes, max_pixels: int) -> Image.Image:
    """The image as viewers show it, in RGB or RGBA. Raises UnprocessableDocument."""
    try:
        with Image.open(io.BytesIO(image), formats=_FORMATS) as stored:
            if stored.width * stored.height > max_pixels:
                raise UnprocessableDocument("the image is larger than its header states", "image")
            stored.load()
            shown = _turned(stored)
            if shown.mode.startswith("I"):  # 16 bits a pixel, which convert would cut off at 255
                shown = shown.convert("I").point(lambda value: value * (1 / 256)).convert("L")
            return shown.convert("RGBA" if shown.has_transparency_data else "RGB")
    except (UnprocessableDocument, MemoryError):
        raise
    except Exception as error:  # decoders raise anything on damaged bytes
        raise UnprocessableDocument(
            "the image can't be decoded: it is cut off or damaged", "image"
        ) from error


def _turned(stored: Image.Image) -> Image.Image:
    """A loaded image, turned as its metadata says; as stored if the metadata is damaged."""
    try:
        return ImageOps.exif_transpose(stored)
    except Exception:  # damaged metadata raise anything; the pixels are loaded
        return stored


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


def _placed(
    box: Any, border: tuple[int, int, int, int], scale: float, width_px: int, height_px: int
) -> tuple[Point, Point, Point, Point]:
    """A box in the framed, reduced image, converted to pixels of the original image."""
    left, top, *_ = border

    def point(corner: Any) -> Point:
        x_px, y_px = (float(corner[0]) - left) * scale, (float(corner[1]) - top) * scale
        return round(min(max(x_px, 0.0), float(width_px)), 1), round(min(max(y_px, 0.0), float(height_px)), 1)

    top_left, top_right, bottom_right, bottom_left = box
    return point(top_left), point(top_right), point(bottom_right), point(bottom_left)

"""Reads text in customers' images: decodes them and waits for the OCR engine."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps

from deployments.agents.text_layout import rows_of
from deployments.core.errors import Overloaded, UnprocessableDocument
from deployments.core.ticket_image import ImageText
from deployments.ocr.engine import OcrEngine

_FORMATS = ("PNG", "JPEG", "WEBP")


class RapidOcrReader:
    """Reads images one at a time, in its own thread."""

    def __init__(self, threads: int = 1, max_pixels: int = 20_000_000, max_waiting: int = 8) -> None:
        """`threads` are onnxruntime's. Images of more than `max_pixels` are refused before decoding."""
        self._max_pixels = max_pixels
        self._max_waiting = max_waiting
        self._waiting = 0
        self._worker = ThreadPoolExecutor(1, "ocr")
        self._engine = OcrEngine(threads)

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
        ordered = (line for row in rows_of(self._engine.read(picture).as_given()) for line in row.lines)
        return ImageText(*picture.size, tuple(ordered))


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

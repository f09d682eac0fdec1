"""Reads type and size of an uploaded image from its header, without decoding a pixel."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from deployments.core.errors import (
    InvalidRequest,
    PayloadTooLarge,
    UnprocessableDocument,
    UnsupportedMediaType,
)

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UNDECLARED = frozenset({"", "application/octet-stream"})
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_MAX_STEPS = 10_000
"""How many chunks of a PNG or segments of a JPEG are read: real images have dozens."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest image that is read."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 20_000_000


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Type and size according to the header; a decoder may still find the rest damaged."""

    media_type: str
    width_px: int
    height_px: int


def checked_header(image: object, declared_type: str | None, limits: ImageLimits) -> ImageHeader:
    """The header of a still PNG, JPEG or WebP image within the limits.

    Takes bytes only; a path or URL is refused, never opened. Raises InvalidRequest (no bytes),
    PayloadTooLarge, UnsupportedMediaType (another type, or not the declared one), UnprocessableDocument
    (header cut off or damaged, no pixels, animated).
    """
    if not isinstance(image, bytes):
        raise InvalidRequest(f"send the image's bytes, not a {type(image).__name__}", "image")
    if not image:
        raise InvalidRequest("the image is empty", "image")
    if len(image) > limits.max_bytes:
        limit = f"at most {limits.max_bytes:,} bytes are read"
        raise PayloadTooLarge(f"the image has {len(image):,} bytes; {limit}", "image")
    media_type = _media_type(image)
    _check_declared(declared_type, media_type)
    try:
        width, height = _SIZES[media_type](image)
    except (struct.error, IndexError) as error:
        raise _damaged("its header is cut off") from error
    if not width or not height:
        raise _damaged("its header states no size")
    if width * height > limits.max_pixels:
        size = f"{width} x {height} = {width * height:,} pixels"
        raise PayloadTooLarge(f"the image has {size}; at most {limits.max_pixels:,} are read", "image")
    return ImageHeader(media_type, width, height)


def _media_type(image: bytes) -> str:
    if image.startswith(_PNG_SIGNATURE):
        return "image/png"
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    raise UnsupportedMediaType("the file is no PNG, JPEG or WebP image", "image")


def _check_declared(declared_type: str | None, media_type: str) -> None:
    declared = (declared_type or "").partition(";")[0].strip().lower()
    if declared not in _UNDECLARED and _ALIASES.get(declared, declared) != media_type:
        message = f"the file is declared as {declared[:80]} but is {media_type}"
        raise UnsupportedMediaType(message, "image")


def _damaged(what: str) -> UnprocessableDocument:
    return UnprocessableDocument(f"the image can't be read: {what}", "image")


def _animated() -> UnprocessableDocument:
    return UnprocessableDocument("the image is animated; send a still image", "image")


def _png_size(image: bytes) -> tuple[int, int]:
    if image[8:16] != b"\x00\x00\x00\x0dIHDR":
        raise _damaged("a PNG starts with its IHDR chunk")
    width, height = struct.unpack_from(">II", image, 16)
    position = 8
    for _ in range(_MAX_STEPS):
        length, kind = struct.unpack_from(">I4s", image, position)
        if kind == b"acTL":
            raise _animated()
        if kind == b"IDAT":
            return width, height
        position += 12 + length
    raise _damaged("too many chunks before the first pixel")


def _jpeg_size(image: bytes) -> tuple[int, int]:
    position = 2
    for _ in range(_MAX_STEPS):
        if image[position] != 0xFF:
            raise _damaged("a JPEG marker is missing")
        marker = image[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", image, position + 5)
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a length
            position += 2
        elif marker in {0xD9, 0xDA}:
            raise _damaged("pixels before the frame header")
        else:
            position += 2 + struct.unpack_from(">H", image, position + 2)[0]
    raise _damaged("too many segments before the frame header")


_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The three left out are Huffman tables, a reserved marker, and arithmetic conditioning."""


def _webp_size(image: bytes) -> tuple[int, int]:
    kind = image[12:16]
    if kind == b"VP8X":
        flags, width_less_1, height_less_1 = struct.unpack_from("<B3x3s3s", image, 20)
        if flags & 0x02:
            raise _animated()
        return int.from_bytes(width_less_1, "little") + 1, int.from_bytes(height_less_1, "little") + 1
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", image, 20)
        if signature != 0x2F:
            raise _damaged("no WebP signature")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        start_code, width, height = struct.unpack_from("<3sHH", image, 23)
        if start_code != b"\x9d\x01\x2a":
            raise _damaged("no WebP start code")
        return width & 0x3FFF, height & 0x3FFF
    raise _damaged("unknown WebP format")


_SIZES = {"image/png": _png_size, "image/jpeg": _jpeg_size, "image/webp": _webp_size}
IMAGE_TYPES = tuple(_SIZES)
"""Media types of the images that are read."""

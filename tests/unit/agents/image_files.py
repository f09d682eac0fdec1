"""Image files written byte by byte: headers that state what their pixels don't hold."""

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *before_pixels):
    """A PNG that states a size and has next to no pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return PNG_SIGNATURE + header + b"".join(before_pixels) + pixels + png_chunk(b"IEND")


def jpeg(width, height, *before_frame, frame=0xC0):
    """The beginning of a JPEG, up to its frame header."""
    start = b"\xff\xd8" + jpeg_segment(0xE0, b"JFIF\0" + bytes(9)) + b"".join(before_frame)
    return start + jpeg_segment(frame, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))


def jpeg_segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def webp(kind, data):
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_extended(width, height, flags=0):
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return webp(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def webp_lossless(width, height):
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_lossy(width, height):
    return webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height))

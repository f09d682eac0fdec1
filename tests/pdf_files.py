"""Writes small PDF files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont


def pdf(*pages: str, title: str | None = None) -> bytes:
    """A PDF with a page for each text, whose lines are set in 12 points from the top left corner."""
    streams = [b"BT /F 12 Tf 14 TL 20 270 Td " + _shown(page) + b"ET" for page in pages]
    return _file(streams, range(len(streams)), title)


def pdf_of_one_stream(stream: bytes, pages: int) -> bytes:
    """Many pages that share their contents."""
    return _file([stream], [0] * pages, None)


def pdf_of_picture(width_px: int, height_px: int) -> bytes:
    """A page that a black picture fills."""
    packer = zlib.compressobj()
    rows = b"".join([packer.compress(bytes(width_px)) for _ in range(height_px)]) + packer.flush()
    head = f"/Subtype/Image/Width {width_px}/Height {height_px}/ColorSpace/DeviceGray/BitsPerComponent 8"
    picture = _stream(rows, f"/Type/XObject{head}/Filter/FlateDecode")
    return _file([b"q 300 0 0 300 0 0 cm /I Do Q"], [0], None, picture)


def scanned(*pages: Sequence[str]) -> bytes:
    """A PDF of pictures of text."""
    font = ImageFont.load_default(size=28)
    pictures = [Image.new("L", (1000, 700), 255) for _ in pages]
    for picture, lines in zip(pictures, pages, strict=True):
        ImageDraw.Draw(picture).multiline_text((80, 200), "\n".join(lines), 0, font, spacing=20)
    out = io.BytesIO()
    pictures[0].save(out, "PDF", save_all=True, append_images=pictures[1:])
    return out.getvalue()


def _shown(page: str) -> bytes:
    escaped = page.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return "".join(f"({line}) Tj T* " for line in escaped.split("\n")).encode("latin-1")


def _stream(contents: bytes, entries: str = "") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries.encode(), len(contents), contents)


def _file(
    streams: Sequence[bytes], used: Iterable[int], title: str | None, picture: bytes = b"<<>>"
) -> bytes:
    used = list(used)
    first = 6 + len(streams)
    kids = " ".join(f"{first + number} 0 R" for number in range(len(used)))
    resources = "/Resources<</Font<</F 3 0 R>>/XObject<</I 4 0 R>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(used)}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        picture,
        f"<</Title({title})>>".encode() if title is not None else b"<<>>",
        *map(_stream, streams),
        *(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]{resources}/Contents {6 + at} 0 R>>".encode()
            for at in used
        ),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % numbered for numbered in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Info 5 0 R>>\n"

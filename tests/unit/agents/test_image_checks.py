"""What an upload is, and how large, is known before anything is decoded."""

import io
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from deployments.agents.image_checks import ImageHeader, ImageLimits, checked_header
from deployments.core.errors import (
    InvalidRequest,
    PayloadTooLarge,
    UnprocessableDocument,
    UnsupportedMediaType,
    WarmlineError,
)
from tests.unit.agents.image_files import (
    PNG_SIGNATURE,
    jpeg,
    jpeg_segment,
    png,
    png_chunk,
    webp,
    webp_extended,
    webp_lossless,
    webp_lossy,
)

LIMITS = ImageLimits()
BUILDERS = [png, jpeg, webp_extended, webp_lossless, webp_lossy]
by_builder = pytest.mark.parametrize("build", BUILDERS)


def written(format_, size=(37, 23), mode="RGB", **options):
    file = io.BytesIO()
    Image.new(mode, size).save(file, format_, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0"}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0"}),
    ],
)
def test_size_and_type_of_what_an_encoder_wrote(format_, options):
    header = checked_header(written(format_, **options), None, LIMITS)
    assert header == ImageHeader(f"image/{format_.lower()}", 37, 23)


@by_builder
@given(width=st.integers(1, 16_383), height=st.integers(1, 16_383))
def test_every_kind_of_header_states_its_size(build, width, height):
    header = checked_header(build(width, height), None, ImageLimits(max_pixels=16_383**2))
    assert (header.width_px, header.height_px) == (width, height)


@by_builder
def test_a_100_megapixel_header_is_refused_naming_the_size(build):
    with pytest.raises(PayloadTooLarge, match="10000 x 10000 = 100,000,000 pixels; at most 20,000,000"):
        checked_header(build(10_000, 10_000), None, LIMITS)


def test_the_largest_png_there_can_be_is_refused_by_its_header():
    with pytest.raises(PayloadTooLarge):
        checked_header(png(2**31 - 1, 2**31 - 1), "image/png", LIMITS)


@by_builder
def test_the_pixel_limit_itself_is_allowed(build):
    limits = ImageLimits(max_pixels=100 * 100)
    assert checked_header(build(100, 100), None, limits).width_px == 100
    with pytest.raises(PayloadTooLarge):
        checked_header(build(101, 100), None, limits)


def test_bytes_over_the_limit_are_refused_and_the_limit_itself_is_not():
    image = written("PNG")
    assert checked_header(image, None, ImageLimits(max_bytes=len(image))).width_px == 37
    with pytest.raises(PayloadTooLarge, match=f"{len(image):,} bytes"):
        checked_header(image, None, ImageLimits(max_bytes=len(image) - 1))


def test_a_50_mb_file_is_refused_by_its_size_whatever_it_is():
    with pytest.raises(PayloadTooLarge, match="50,000,000 bytes; at most 10,485,760"):
        checked_header(bytes(50_000_000), "image/png", LIMITS)


@pytest.mark.parametrize("kind", [str, Path, bytearray, io.BytesIO])
def test_a_path_or_file_is_refused_and_never_opened(tmp_path, kind):
    path = tmp_path / "secret.png"
    path.write_bytes(written("PNG"))
    image = kind(path) if kind in (str, Path) else kind(path.read_bytes())
    with pytest.raises(InvalidRequest, match="send the image's bytes"):
        checked_header(image, None, LIMITS)


def test_a_path_sent_as_bytes_is_no_image():
    with pytest.raises(UnsupportedMediaType):
        checked_header(b"/etc/passwd", None, LIMITS)


@pytest.mark.parametrize(
    "image",
    [
        b"GIF89a" + bytes(100),
        b"BM" + bytes(100),
        b"%PDF-1.7",
        b"<svg/>",
        b"II*\0" + bytes(99),
        b"RIFF1234WAVE",
    ],
)
def test_other_types_are_refused(image):
    with pytest.raises(UnsupportedMediaType, match="no PNG, JPEG or WebP"):
        checked_header(image, None, LIMITS)


@pytest.mark.parametrize(
    "declared", ["image/png", "IMAGE/PNG; charset=utf-8", None, "", "application/octet-stream"]
)
def test_a_type_that_fits_or_none_is_accepted(declared):
    assert checked_header(written("PNG"), declared, LIMITS).media_type == "image/png"


def test_the_other_name_of_jpeg_is_accepted():
    assert checked_header(written("JPEG"), "image/jpg", LIMITS).media_type == "image/jpeg"


@pytest.mark.parametrize("declared", ["image/jpeg", "image/gif", "text/plain", "image"])
def test_a_declared_type_that_the_bytes_contradict_is_refused(declared):
    with pytest.raises(UnsupportedMediaType, match=r"declared as .* but is image/png"):
        checked_header(written("PNG"), declared, LIMITS)


def test_no_bytes_are_no_image():
    with pytest.raises(InvalidRequest, match="empty"):
        checked_header(b"", "image/png", LIMITS)


@by_builder
def test_a_header_cut_off_anywhere_is_refused_in_clear_words(build):
    whole = build(50, 40)
    header_bytes = {png: 33, jpeg: 29, webp_extended: 30, webp_lossless: 25, webp_lossy: 30}[build]
    for length in range(12, header_bytes):
        with pytest.raises(UnprocessableDocument, match="can't be read"):
            checked_header(whole[:length], None, LIMITS)
    if build is not png:  # whose chunks are looked through for an animation
        assert checked_header(whole[:header_bytes], None, LIMITS).width_px == 50


@pytest.mark.parametrize("image", [png(0, 5), png(5, 0), jpeg(5, 0), webp_lossy(0, 5)])
def test_an_image_without_pixels_is_refused(image):
    with pytest.raises(UnprocessableDocument, match="no size"):
        checked_header(image, None, LIMITS)


def test_animations_are_refused_and_named():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    for format_ in ("PNG", "WEBP"):
        file = io.BytesIO()
        frames[0].save(file, format_, save_all=True, append_images=frames[1:], duration=100)
        with pytest.raises(UnprocessableDocument, match="animated"):
            checked_header(file.getvalue(), None, LIMITS)


@pytest.mark.parametrize(
    "image",
    [
        PNG_SIGNATURE + png_chunk(b"IDAT"),
        b"\xff\xd8\xff\xda\x00\x08" + bytes(50),
        b"\xff\xd8\xff\xe0\x00\x02\x00" + bytes(50),
        webp(b"VP9 ", bytes(50)),
        webp(b"VP8L", bytes(50)),
        webp(b"VP8 ", bytes(50)),
    ],
)
def test_a_damaged_header_is_refused(image):
    with pytest.raises(UnprocessableDocument, match="can't be read"):
        checked_header(image, None, LIMITS)


def test_a_thumbnail_inside_a_jpeg_does_not_hide_its_size():
    thumbnail = jpeg_segment(0xE1, b"Exif\0\0" + jpeg(4, 4))
    with pytest.raises(PayloadTooLarge, match="10000 x 10000"):
        checked_header(jpeg(10_000, 10_000, thumbnail), None, LIMITS)


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xC9, 0xCF])
def test_every_jpeg_frame_counts_and_tables_do_not(frame):
    tables = [jpeg_segment(marker, bytes(20)) for marker in (0xC4, 0xC8, 0xCC, 0xDB)]
    assert checked_header(jpeg(8, 9, *tables, b"\xff\xff\xff", frame=frame), None, LIMITS).height_px == 9


@pytest.mark.parametrize(
    "image",
    [
        png(5, 5, *[png_chunk(b"tIME")] * 20_000),
        jpeg(5, 5, *[jpeg_segment(0xE1, b"")] * 20_000),
        jpeg(5, 5, b"\xff" * 20_000),
    ],
)
def test_a_header_that_never_ends_is_given_up(image):
    with pytest.raises(UnprocessableDocument, match="too many"):
        checked_header(image, None, LIMITS)


@given(st.sampled_from([PNG_SIGNATURE, b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"]), st.binary(max_size=200))
@example(PNG_SIGNATURE, png_chunk(b"IHDR", zlib.compress(b"")))
def test_any_bytes_give_a_header_or_a_refusal(signature, rest):
    try:
        header = checked_header(signature + rest, None, LIMITS)
    except WarmlineError:
        return
    assert 0 < header.width_px * header.height_px <= LIMITS.max_pixels

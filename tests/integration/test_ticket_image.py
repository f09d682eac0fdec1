"""Images with real text, read by the real models, with the network cut off from the first import on."""

import asyncio
import io
import socket

import pytest
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from deployments.agents.image_checks import ImageLimits
from deployments.agents.ocr import RapidOcrReader
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.errors import Overloaded, PayloadTooLarge, Unavailable, UnprocessableDocument
from deployments.ocr import engine
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder

MESSAGE = "Error 0x80070057: The parameter is incorrect."
SIZE = (900, 420)
ORIENTATION_TAG, QUARTER_TURN_RIGHT = 0x0112, 6


def drawn(width, height, *texts, background="white", color="black"):
    picture = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(picture)
    for text, left, top, size in texts:
        draw.text((left, top), text, fill=color, font=ImageFont.load_default(size=size))
    return picture


def error_dialog():
    picture = drawn(
        *SIZE,
        ("Tidewater Setup", 20, 12, 30),
        (MESSAGE, 60, 110, 32),
        ("The update could not be installed and your", 60, 160, 32),
        ("unsaved work may be lost.", 60, 205, 32),
        ("Retry", 510, 332, 30),
        ("Cancel", 710, 332, 30),
    )
    draw = ImageDraw.Draw(picture)
    for left in (480, 680):
        draw.rectangle((left, 320, left + 170, 385), outline="gray", width=2)
    return picture


def written(picture, format_="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def reader():
    """It loads its models in the first test, where any download fails."""

    def no_network(*_):
        raise OSError("the network is cut off")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, no_network)
        patch.setattr(socket, "getaddrinfo", no_network)
        reader = RapidOcrReader()
        yield reader
        reader.close()


@pytest.fixture(scope="module")
def encoder(embedded_llm):
    return BundleEncoder(load_bundle(str(embedded_llm)))


@pytest.fixture
def service(reader, encoder):
    return TicketImageReader(reader, lambda text: len(encoder.encode_text(text)), ImageLimits())


async def test_an_error_dialog_is_read_grouped_and_located(service, encoder):
    issues = ["0x80070057", "parameter is incorrect", "0x80070005", "disk full"]
    image = await service.process(written(error_dialog()), "image/png", issues)
    title, message, buttons = image.compressed_markdown.split("\n\n")
    assert (title, buttons) == ("Tidewater Setup", "Retry | Cancel")
    assert message.replace("Ox", "0x").splitlines() == [
        MESSAGE,
        "The update could not be installed and your",
        "unsaved work may be lost.",
    ]
    assert image.word_count == 2 + 6 + 8 + 5 + 2
    assert image.valid
    assert image.detected_issues == ("0x80070057", "parameter is incorrect")
    assert image.missing_issues == ("0x80070005", "disk full")
    assert image.urgency_high is False
    assert image.tokens_used == len(encoder.encode_text(image.compressed_markdown)) > image.word_count
    assert image.baseline_tokens == 85 + 2 * 170
    assert image.savings_percent == round(100 * (1 - image.tokens_used / 425), 1)
    assert image.execution_time_ms > 0


async def test_boxes_lie_where_the_text_was_drawn(service):
    boxes = {box.text: box for box in (await service.process(written(error_dialog()))).grounding_boxes}
    cancel = boxes["Cancel"]
    drawn_px = ImageFont.load_default(size=30).getbbox("Cancel")
    expected = (710 + drawn_px[0], 332 + drawn_px[1]), (710 + drawn_px[2], 332 + drawn_px[3])
    for found, drawn_at in zip((cancel.box_px[0], cancel.box_px[2]), expected, strict=True):
        assert found == pytest.approx(drawn_at, abs=8)
    for fraction, pixels in zip(cancel.box, cancel.box_px, strict=True):
        assert fraction == pytest.approx((pixels[0] / SIZE[0], pixels[1] / SIZE[1]), abs=1e-4)
    assert all(box.confidence > 0.9 for box in boxes.values())


@pytest.mark.parametrize(
    ("name", "mode", "format_"),
    [
        ("compressed", "RGB", "JPEG"),
        ("webp", "RGB", "WEBP"),
        ("four inks", "CMYK", "JPEG"),
        ("palette", "P", "PNG"),
        ("16 bits a pixel", "I;16", "PNG"),
        ("transparent", "RGBA", "PNG"),
    ],
)
async def test_every_kind_of_pixel_is_read(reader, name, mode, format_):
    picture = drawn(320, 160, ("Login failed", 40, 55, 40))
    if mode == "I;16":
        picture = picture.convert("L").convert("I").point(lambda value: value * 257)
    picture = picture.convert(mode)
    if mode == "RGBA":  # dark letters on nothing: black on black where transparency is ignored
        ink = picture.convert("L").point(lambda value: 255 - value)
        picture = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        picture.putalpha(ink)
    read = await reader.read(written(picture, format_))
    assert [line.text for line in read.lines] == ["Login failed"], name


async def test_a_photo_that_was_stored_turned_is_read_as_it_is_shown(service):
    stored = error_dialog().transpose(Image.Transpose.ROTATE_90)
    turned = Image.Exif()
    turned[ORIENTATION_TAG] = QUARTER_TURN_RIGHT
    image = await service.process(
        written(stored, "JPEG", exif=turned), "image/jpeg", ["parameter is incorrect"]
    )
    assert (image.width_px, image.height_px) == SIZE
    assert image.detected_issues == ("parameter is incorrect",)
    assert image.grounding_boxes[-1].box[0] == pytest.approx((710 / 900, 340 / 420), abs=0.03)


async def test_damaged_metadata_do_not_hide_the_picture(reader):
    broken = b"Exif\0\0not a TIFF file at all"
    read = await reader.read(written(drawn(320, 160, ("Login failed", 40, 55, 40)), "WEBP", exif=broken))
    assert [line.text for line in read.lines] == ["Login failed"]


async def test_a_large_picture_is_reduced_and_its_boxes_are_not(reader):
    large = drawn(4000, 1200, ("Printer offline", 1000, 400, 240))
    (line,) = (await reader.read(written(large))).lines
    assert line.text == "Printer offline"
    assert line.box[0] == pytest.approx((1000, 460), abs=60)


async def test_a_narrow_strip_is_read_in_place(reader):
    (line,) = (await reader.read(written(drawn(700, 50, (MESSAGE, 10, 4, 32))))).lines
    assert line.text.replace("Ox", "0x") == MESSAGE
    assert line.box[0] == pytest.approx((10, 8), abs=8)


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 2000), (300_000, 3)])
async def test_degenerate_shapes_hold_no_text(service, size):
    image = await service.process(written(Image.new("L", size, 255)), None, ["crash"])
    assert (image.width_px, image.height_px) == size
    assert not image.valid
    assert image.missing_issues == ("crash",)


async def test_files_cut_off_or_damaged_after_the_header_are_refused(service):
    for format_ in ("PNG", "JPEG", "WEBP"):
        whole = written(error_dialog(), format_)
        with pytest.raises(UnprocessableDocument, match="cut off or damaged"):
            await service.process(whole[: len(whole) // 2])
    damaged = bytearray(written(error_dialog()))
    damaged[200:260] = bytes(60)
    with pytest.raises(UnprocessableDocument, match="cut off or damaged"):
        await service.process(bytes(damaged))


async def test_a_text_bomb_in_the_metadata_is_refused(service):
    bomb = PngInfo()
    bomb.add_text("comment", "a" * 50_000_000, zip=True)
    image = written(Image.new("RGB", (50, 50)), pnginfo=bomb)
    assert len(image) < 100_000
    with pytest.raises(UnprocessableDocument, match="damaged"):
        await service.process(image)


async def test_decoding_has_a_pixel_limit_of_its_own():
    reader = RapidOcrReader(max_pixels=SIZE[0] * SIZE[1] - 1)
    with pytest.raises(UnprocessableDocument, match="larger than its header states"):
        await reader.read(written(error_dialog()))
    reader.close()


async def test_a_large_header_is_refused_before_the_reader_gets_it(service):
    with pytest.raises(PayloadTooLarge, match="10000 x 10000"):
        await service.process(written(Image.new("1", (10_000, 10_000))))


async def test_images_beyond_the_queue_are_refused_and_the_next_is_read():
    reader = RapidOcrReader(max_waiting=2)
    image = written(Image.new("RGB", (64, 64), "white"))
    first = await asyncio.gather(*(reader.read(image) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in first].count(Overloaded) == 1
    assert (await reader.read(image)).lines == ()
    reader.close()


async def test_a_model_missing_from_the_package_is_an_error_and_never_fetched(reader, monkeypatch):
    monkeypatch.setitem(engine._MODELS, "Det.model_path", "gone.onnx")
    crippled = RapidOcrReader()
    with pytest.raises(Unavailable, match="models can't be loaded") as raised:
        await crippled.read(written(Image.new("RGB", (64, 64))))
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    crippled.close()

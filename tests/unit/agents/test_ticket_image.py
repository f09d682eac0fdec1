"""A ticket's image as a record: every figure follows from the lines read and the size."""

from dataclasses import dataclass, field

import pytest

from deployments.agents.image_checks import ImageLimits
from deployments.agents.ticket_image import TicketImageReader
from deployments.agents.vision_cost import BASELINE_FORMULA
from deployments.core.errors import InvalidRequest, PayloadTooLarge, UnprocessableDocument
from deployments.core.ports import TextReader
from deployments.core.ticket_image import ImageText, TextLine
from tests.unit.agents.image_files import png

WIDTH, HEIGHT = 1000, 500  # 425 tokens: 2 x 1 tiles


@dataclass
class FixedReader:
    """Finds these lines in any image."""

    lines: list[TextLine] = field(default_factory=list)
    error: Exception | None = None
    read_bytes: list[bytes] = field(default_factory=list)

    async def read(self, image: bytes) -> ImageText:
        self.read_bytes.append(image)
        if self.error:
            raise self.error
        return ImageText(WIDTH, HEIGHT, tuple(self.lines))


def line(text, top, left=100, confidence=0.9):
    right, bottom = left + 200, top + 20
    return TextLine(text, confidence, ((left, top), (right, top), (right, bottom), (left, bottom)))


DIALOG = [
    line("Setup", 0),
    line("Error Ox80070057: data", 100),
    line("loss", 125),
    line("Retry", 300),
    line("Cancel", 300, 500),
    line("Setup", 400),
]


def service(reader: TextReader, limits=None, ticks=(2.0, 2.25)):
    ticking = iter(ticks)
    return TicketImageReader(
        reader, lambda text: len(text.split()), limits or ImageLimits(), lambda: next(ticking)
    )


async def processed(lines, issues=None):
    return await service(FixedReader(lines)).process(png(WIDTH, HEIGHT), "image/png", issues)


async def test_the_text_is_grouped_and_counted():
    image = await processed(DIALOG)
    assert image.compressed_markdown == "Setup\n\nError Ox80070057: data\nloss\n\nRetry | Cancel"
    assert (image.word_count, image.dropped_lines) == (7, 1)
    assert image.has_content
    assert image.valid
    assert (image.media_type, image.width_px, image.height_px) == ("image/png", WIDTH, HEIGHT)


async def test_tokens_are_those_of_the_text_against_the_named_baseline():
    image = await processed(DIALOG)
    assert image.tokens_used == 8  # the fake counts the bar too
    assert (image.baseline_tokens, image.baseline_formula) == (425, BASELINE_FORMULA)
    assert (image.compression_ratio, image.savings_percent) == (53.12, 98.1)


async def test_a_text_that_costs_more_than_the_image_is_reported_so():
    image = await processed([line("word " * 850, 0)])
    assert (image.compression_ratio, image.savings_percent) == (0.5, -100.0)


async def test_an_image_without_text_is_neither_valid_nor_a_saving():
    image = await processed([], ["crash"])
    assert not image.has_content
    assert not image.valid
    assert (image.compressed_markdown, image.word_count, image.tokens_used) == ("", 0, 0)
    assert image.baseline_tokens == 425
    assert image.compression_ratio is image.savings_percent is None
    assert (image.detected_issues, image.missing_issues, image.urgency_high) == ((), ("crash",), False)


async def test_each_kept_line_has_its_box_in_pixels_and_fractions():
    image = await processed(DIALOG)
    texts = [box.text for box in image.grounding_boxes]
    assert texts == ["Setup", "Error Ox80070057: data", "loss", "Retry", "Cancel"]
    cancel = image.grounding_boxes[-1]
    assert cancel.box_px == ((500, 300), (700, 300), (700, 320), (500, 320))
    assert cancel.box == ((0.5, 0.6), (0.7, 0.6), (0.7, 0.64), (0.5, 0.64))
    assert cancel.confidence == 0.9


async def test_issues_are_parted_into_detected_and_missing():
    image = await processed(DIALOG, ["disk full", "0x80070057", "0x80070005"])
    assert image.detected_issues == ("0x80070057",)
    assert image.missing_issues == ("disk full", "0x80070005")
    assert image.valid
    assert image.urgency_high  # "data loss", over a line's end


async def test_without_any_expected_issue_the_image_is_not_valid():
    image = await processed([line("Welcome", 0)], ["crash"])
    assert image.has_content
    assert not image.valid
    assert image.urgency_high is False


async def test_issues_are_reported_only_where_a_list_was_given():
    image = await processed(DIALOG)
    assert image.detected_issues is image.missing_issues is image.urgency_high is None


async def test_an_empty_list_of_issues_still_asks_for_urgency():
    image = await processed(DIALOG, [])
    assert (image.detected_issues, image.missing_issues, image.urgency_high) == ((), (), True)
    assert image.valid


async def test_time_is_that_of_the_whole_call():
    assert (await processed(DIALOG)).execution_time_ms == 250.0


async def test_what_is_refused_is_never_read():
    reader = FixedReader()
    too_large = png(WIDTH, 10 * HEIGHT)
    with pytest.raises(PayloadTooLarge):
        await service(reader, ImageLimits(max_pixels=WIDTH * HEIGHT)).process(too_large)
    with pytest.raises(InvalidRequest):
        await service(reader).process(png(WIDTH, HEIGHT), None, "crash")
    with pytest.raises(InvalidRequest):
        await service(reader).process("/etc/passwd")
    assert reader.read_bytes == []


async def test_the_readers_errors_reach_the_caller():
    reader = FixedReader(error=UnprocessableDocument("damaged"))
    with pytest.raises(UnprocessableDocument, match="damaged"):
        await service(reader).process(png(WIDTH, HEIGHT))

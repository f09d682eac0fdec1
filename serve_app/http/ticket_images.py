"""The text in pictures that customers attach to tickets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.datastructures import UploadFile

from deployments.agents.image_checks import IMAGE_TYPES
from deployments.agents.issue_matching import MAX_ISSUE_CHARS, MAX_ISSUES
from deployments.core.errors import InvalidRequest
from deployments.core.ticket_image import GroundingBox, TicketImage
from serve_app.http.body import FromCore
from serve_app.http.context import ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.uploads import BINARY, media_type, upload

router = APIRouter(prefix="/v1/support", tags=["tickets"], responses=ERROR_RESPONSES)

_FORM = {
    "type": "object",
    "properties": {
        "image": BINARY,
        "expected_issues": {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_ISSUE_CHARS},
            "maxItems": MAX_ISSUES,
        },
    },
    "required": ["image"],
}


@dataclass(frozen=True, slots=True)
class GroundingBoxBody(FromCore, GroundingBox):
    """Where a line of text is: `box` in fractions of the image's size, `box_px` in pixels."""


@dataclass(frozen=True, slots=True)
class TicketImageBody(FromCore, TicketImage):
    """The text of a picture, to be used instead of the picture.

    `tokens_used` counts the text's tokens in the serving tokenizer, `baseline_tokens` what a vision model
    charges for an image of this size by `baseline_formula`. `detected_issues`, `missing_issues` and
    `urgency_high` are null when no issues were expected.
    """

    grounding_boxes: tuple[GroundingBoxBody, ...]


@router.post(
    "/tickets/images",
    openapi_extra=upload(IMAGE_TYPES, {"multipart/form-data": _FORM}),
    responses=error_responses(
        {
            413: "Too many bytes or pixels; nothing was decoded",
            415: "No PNG, JPEG or WebP, or not the declared type",
            422: "The image is damaged or animated",
        }
    ),
)
async def read(
    request: Request,
    parts: ServicesDep,
    _: TenantDep,
    expected_issues: Annotated[
        list[Annotated[str, Field(max_length=MAX_ISSUE_CHARS)]] | None,
        Query(
            max_length=MAX_ISSUES,
            fail_fast=True,
            description="phrases to look for in the text; may be repeated",
        ),
    ] = None,
) -> TicketImageBody:
    """Reads the text in a picture, sent as the body or as the file `image` of a form."""
    if media_type(request) == "multipart/form-data":
        image, declared, in_form = await _from_form(request)
        expected_issues = in_form or expected_issues
    else:
        image, declared = await request.body(), request.headers.get("content-type")
    return TicketImageBody.of(await parts.images.process_ticket_image(image, declared, expected_issues))


async def _from_form(request: Request) -> tuple[bytes, str | None, list[str]]:
    """The file's bytes, its declared type, and the issues expected in it."""
    async with request.form(max_files=1, max_fields=MAX_ISSUES) as form:
        file = form.get("image")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("the form must have a file named image", "image")
        issues = [issue for issue in form.getlist("expected_issues") if isinstance(issue, str)]
        return await file.read(), file.content_type, issues

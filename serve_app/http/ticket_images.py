"""Pictures that customers attach to tickets, read."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile

from deployments.core.errors import InvalidRequest
from serve_app.http.context import ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.http.support_bodies import TicketImageBody

router = APIRouter(prefix="/v1/support", tags=["tickets"], responses=ERROR_RESPONSES)

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "type": "object",
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "expected_issues": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["image"],
}
_UPLOADS = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "image/png": _BINARY,
            "image/jpeg": _BINARY,
            "image/webp": _BINARY,
        },
    }
}


@router.post(
    "/tickets/images",
    openapi_extra=_UPLOADS,
    responses={
        413: {"model": ErrorBody, "description": "Too many bytes or pixels; nothing was decoded"},
        415: {"model": ErrorBody, "description": "No PNG, JPEG or WebP, or not the declared type"},
        422: {"model": ErrorBody, "description": "The image is damaged or animated"},
    },
)
async def read(
    request: Request,
    parts: ServicesDep,
    _: TenantDep,
    expected_issues: Annotated[
        list[str] | None, Query(description="phrases to look for in the text; may be repeated")
    ] = None,
) -> TicketImageBody:
    """Reads the text in a picture, sent as the body or as the file `image` of a form."""
    if _media_type(request) == "multipart/form-data":
        image, media_type, in_form = await _from_form(request)
        expected_issues = in_form or expected_issues
    else:
        image, media_type = await request.body(), request.headers.get("content-type")
    return TicketImageBody.of(await parts.support.process_ticket_image(image, media_type, expected_issues))


async def _from_form(request: Request) -> tuple[bytes, str | None, list[str]]:
    """The file's bytes and type, and the issues expected in it."""
    async with request.form(max_files=1) as form:
        file = form.get("image")
        if not isinstance(file, UploadFile):
            raise InvalidRequest("the form must have a file named image", "image")
        issues = [issue for issue in form.getlist("expected_issues") if isinstance(issue, str)]
        return await file.read(), file.content_type, issues


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()

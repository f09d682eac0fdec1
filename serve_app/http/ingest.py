"""Many documents in one request, with one line of JSON for each as soon as it is stored."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from deployments.core.documents import DocumentDraft
from deployments.core.errors import (
    DeadlineExceeded,
    InvalidRequest,
    PayloadTooLarge,
    UnprocessableDocument,
    UnsupportedMediaType,
)
from deployments.core.ids import Scope
from serve_app.http.context import ScopeDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorDetail, error_responses
from serve_app.http.upload_streams import (
    FORM,
    LINES,
    Refusal,
    Upload,
    UploadLine,
    UploadReader,
    upload_reader,
)
from serve_app.http.uploads import BINARY, upload
from serve_app.problems import problem
from serve_app.services import Services

MAX_DOCUMENTS = 10_000
"""Of one request."""
_AT_ONCE = 16
"""Documents of one request that are stored at the same time. All but a few of them wait: for a process that
reads, for the embedder, or on PostgreSQL two seconds for the leases of searches."""
_BYTES_AT_ONCE = 32 * 2**20
"""Bytes of the documents that are stored at the same time, unless a single one is larger."""
_SILENCE_S = 60.0
"""The longest pause between two pieces of a body."""
_REFUSALS = (InvalidRequest, PayloadTooLarge, UnprocessableDocument, UnsupportedMediaType)
"""Errors that the same document would meet again."""

router = APIRouter(prefix="/v1/collections/{name}/ingest", tags=["documents"])


class DocumentOutcome(BaseModel):
    """A line of the response, in the order in which documents are done.

    A document that failed can be sent again; one that was refused has to be changed first.
    """

    doc_id: str
    status: Literal["stored", "unchanged", "refused", "failed"]
    version: int | None = None
    chunks: int | None = None
    warnings: list[str] = []
    error: ErrorDetail | None = None


class IngestSummary(BaseModel):
    """The last line of the response. `error` says why the rest of the body was not read."""

    documents: int
    stored: int
    unchanged: int
    refused: int
    failed: int
    error: ErrorDetail | None = None


def _schema(line: type[BaseModel]) -> dict[str, Any]:
    schema = line.model_json_schema(ref_template="#/components/schemas/{model}")
    del schema["$defs"]  # FastAPI describes them, since every route has errors
    return schema


_LINE = {"anyOf": [_schema(DocumentOutcome), _schema(IngestSummary)]}
_FILES = {"type": "object", "additionalProperties": BINARY, "maxProperties": MAX_DOCUMENTS}


@router.post(
    "",
    openapi_extra=upload((), {FORM: _FILES, LINES: UploadLine.model_json_schema()}),
    response_class=Response,
    responses=ERROR_RESPONSES
    | error_responses({404: "No such collection", 415: "Neither a form nor lines of JSON"})
    | {200: {"description": "One line for each document", "content": {LINES: {"schema": _LINE}}}},
)
async def ingest(request: Request, where: ScopeDep, parts: ServicesDep) -> Response:
    """Stores the files of a form (each `filename` is an id), or lines of JSON, each as one document.

    The response has one line for each document when it is stored, and a summary at the end. Documents that
    were stored before are recognised without reading them: repeat a call that was cut off.
    """
    reader = upload_reader(request.headers.get("content-type", ""), parts.settings.max_body_bytes)
    return IngestResponse(Ingest(where, parts), _uploads(request, reader))


class Ingest:
    """The documents of one request on their way into the store."""

    def __init__(self, where: Scope, parts: Services) -> None:
        self._where = where
        self._parts = parts
        self._counted: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._taken = 0
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        """Lines to send, then None. As many as there are documents, since a client may read nothing before
        it has sent everything."""

    async def run(self, uploads: AsyncIterator[Upload]) -> None:
        """Stores documents as they arrive and reports each. Raises ClientDisconnect."""
        running: dict[asyncio.Task[None], int] = {}
        error: dict[str, Any] | None = None
        try:
            try:
                async for given in uploads:
                    size = len(given.raw) if isinstance(given, DocumentDraft) else 0
                    while running and not _has_room(running, size):
                        await _one_done(running)
                    running[asyncio.create_task(self._store(self._checked(given)))] = size
            except ClientDisconnect:
                raise
            except Exception as fault:
                error = problem(fault)[1]["error"]
            while running:
                await _one_done(running)
        finally:
            for task in running:
                task.cancel()
        total = self._counted.total()
        summary = {status: self._counted[status] for status in ("stored", "unchanged", "refused", "failed")}
        self._report({"documents": total, **summary, "error": error})
        self.lines.put_nowait(None)

    def _checked(self, given: Upload) -> Upload:
        """Refuses an id that was sent before, since two texts of it would be stored in no certain order.

        Raises InvalidRequest if there are too many documents.
        """
        if self._taken == MAX_DOCUMENTS:
            raise InvalidRequest(f"a request has at most {MAX_DOCUMENTS:,} documents; send several requests")
        self._taken += 1
        if not isinstance(given, DocumentDraft):
            return given
        if given.doc_id in self._ids:
            return Refusal(given.doc_id, InvalidRequest("the request has this document twice", "doc_id"))
        self._ids.add(given.doc_id)
        return given

    async def _store(self, given: Upload) -> None:
        name = given.doc_id if isinstance(given, DocumentDraft) else given.name
        try:
            outcome = await self._outcome(given)
        except Exception as error:
            status = "refused" if isinstance(error, _REFUSALS) else "failed"
            outcome = {"doc_id": name, "status": status, "error": problem(error)[1]["error"]}
        self._counted[outcome["status"]] += 1
        self._report(DocumentOutcome(**outcome).model_dump())

    async def _outcome(self, given: Upload) -> dict[str, Any]:
        if isinstance(given, Refusal):
            raise given.error
        done = await self._parts.library.put(self._where, given, True)
        self._parts.changed(self._where, done.invalidated)
        return {
            "doc_id": done.doc_id,
            "status": "stored" if done.changed else "unchanged",
            "version": done.version,
            "chunks": done.chunks,
            "warnings": list(done.warnings),
        }

    def _report(self, line: dict[str, Any]) -> None:
        self.lines.put_nowait(json.dumps(line).encode() + b"\n")


class IngestResponse(Response):
    """Sends the lines of an ingest while its body is read. It ends when the client is gone.

    Not a StreamingResponse: that one waits for the client's end where the body is read here.
    """

    media_type = LINES

    def __init__(self, work: Ingest, uploads: AsyncIterator[Upload]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._work = work
        self._uploads = uploads

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Runs the ingest."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        running = asyncio.create_task(self._work.run(self._uploads))
        sending = asyncio.create_task(self._send_lines(send))
        try:
            await asyncio.wait({running, sending}, return_when=asyncio.FIRST_EXCEPTION)
            if running.done():
                running.result()
            sending.result()
        except (ClientDisconnect, OSError):
            return
        finally:
            running.cancel()
            sending.cancel()
            await asyncio.gather(running, sending, return_exceptions=True)

    async def _send_lines(self, send: Send) -> None:
        while (line := await self._work.lines.get()) is not None:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _uploads(request: Request, reader: UploadReader) -> AsyncIterator[Upload]:
    """The documents of a body. Raises InvalidRequest, PayloadTooLarge, DeadlineExceeded, ClientDisconnect."""
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                piece = await anext(pieces, None)
        except HTTPException as error:  # the limit of the request's bytes
            raise PayloadTooLarge(error.detail) from None
        except TimeoutError:
            raise DeadlineExceeded(f"nothing was sent for {_SILENCE_S:g} s; send the rest again") from None
        if piece is None:
            break
        for given in reader.feed(piece):
            yield given
    for given in reader.end():
        yield given


def _has_room(running: dict[asyncio.Task[None], int], size: int) -> bool:
    return len(running) < _AT_ONCE and sum(running.values()) + size <= _BYTES_AT_ONCE


async def _one_done(running: dict[asyncio.Task[None], int]) -> None:
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        del running[task]

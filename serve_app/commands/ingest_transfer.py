"""Brings a collection's documents in line with files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.core import errors
from deployments.core.documents import EXTENSIONS
from deployments.core.ids import doc_id as checked_id

if TYPE_CHECKING:
    from serve_app.client.connection import Connection

DIGEST = "file_sha256"
"""The key of a document's metadata that has the digest of the file it was stored from."""
_MAX_FILE_BYTES = 100 * 2**20
"""A file is read into memory whole. The server's own limit, WARMLINE_MAX_BODY_BYTES, is usually lower."""
_AT_A_TIME = 4
"""Files that are read and sent at a time."""
_RETRIES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before an upload is tried again that the server had no room for."""
_REFUSALS = (
    errors.InvalidRequest,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
    errors.UnprocessableDocument,
    errors.InternalFault,
    errors.DeadlineExceeded,
    OSError,
)
"""Errors of one file, after which the next one is sent. Any other error ends the command."""
_BUSY = (errors.Overloaded, errors.Unavailable)


@dataclass(slots=True)
class Outcome:
    """What became of files and documents. Lists have ids."""

    added: list[str] = field(default_factory=list)
    """Stored for the first time."""
    changed: list[str] = field(default_factory=list)
    """Stored as a new version."""
    unchanged: int = 0
    """Number of files whose digest the stored document has."""
    removed: list[str] = field(default_factory=list)
    """Deleted, since their files are gone."""
    refused: dict[str, str] = field(default_factory=dict)
    """Id -> why its file was not stored."""
    warnings: dict[str, list[str]] = field(default_factory=dict)
    """Id -> what of its file is not in the stored text."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.refused)


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read."""

    content: bytes
    digest: str
    media_type: str


async def _send(connection: Connection, path: str, file: _File) -> list[str]:
    """Stores a file as the document with this path in the API. Returns the server's warnings."""
    from serve_app.client.agent import as_json

    stored = await connection.request(
        "PUT",
        path,
        params={"metadata": as_json({DIGEST: file.digest})},
        content=file.content,
        media_type=file.media_type,
    )
    warnings: list[str] = stored["warnings"]
    return warnings


class Transfer:
    """Keeps documents of one collection equal to files.

    The server keeps each file's digest with its document, so that a command that was interrupted goes on
    where it stopped, on any machine.
    """

    def __init__(
        self, connection: Connection, documents: str, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    ) -> None:
        """`documents` is the path of the collection's documents in the API."""
        self._connection = connection
        self._documents = documents
        self._sleep = sleep
        self._digests: dict[str, str | None] = {}

    def learn(self, document: Mapping[str, Any]) -> None:
        """Takes note of a stored document, as the server lists it."""
        self._digests[document["doc_id"]] = document["metadata"].get(DIGEST)

    def ingested(self) -> list[str]:
        """Ids of the stored documents that came from files."""
        return sorted(doc_id for doc_id, digest in self._digests.items() if digest is not None)

    async def sync(
        self,
        files: Mapping[str, Path],
        gone: Iterable[str],
        progress: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Stores the files that are new or changed, and deletes the documents in `gone`.

        Calls `progress` after each file. Raises the errors that concern all files, such as Unavailable.
        """
        outcome = Outcome()
        waiting = iter(files.items())

        async def work() -> None:
            for doc_id, path in waiting:  # all workers share the iterator
                try:
                    await self._store(doc_id, path, outcome)
                except _REFUSALS as error:
                    outcome.refused[doc_id] = str(error).removeprefix(f"document {doc_id}: ")
                progress()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_A_TIME):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        for doc_id in gone:
            await self._remove(doc_id, outcome)
        return outcome

    async def _store(self, doc_id: str, path: Path, outcome: Outcome) -> None:
        checked_id(doc_id)
        file = await asyncio.to_thread(_read, path)
        if self._digests.get(doc_id) == file.digest:
            outcome.unchanged += 1
            return
        warnings = await self._patiently(lambda: _send(self._connection, self._path(doc_id), file))
        (outcome.changed if doc_id in self._digests else outcome.added).append(doc_id)
        self._digests[doc_id] = file.digest
        if warnings:
            outcome.warnings[doc_id] = warnings

    async def _remove(self, doc_id: str, outcome: Outcome) -> None:
        try:
            await self._patiently(lambda: self._connection.request("DELETE", self._path(doc_id)))
        except errors.NotFound:  # someone else has deleted it
            pass
        else:
            outcome.removed.append(doc_id)
        self._digests.pop(doc_id, None)

    def _path(self, doc_id: str) -> str:
        from serve_app.client.agent import path_part

        return f"{self._documents}/{path_part(doc_id)}"

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """The call's result. A busy server is asked again."""
        for pause_s in _RETRIES_S:
            try:
                return await call()
            except _BUSY:
                await self._sleep(pause_s)
        return await call()


def _read(path: Path) -> _File:
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise errors.PayloadTooLarge(
            f"the file has {size} bytes, more than {_MAX_FILE_BYTES}: split it into several documents"
        )
    content = path.read_bytes()
    media_type = EXTENSIONS.get(path.suffix.lower(), "application/octet-stream")
    return _File(content, hashlib.sha256(content).hexdigest(), media_type)

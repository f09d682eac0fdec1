"""Many documents, sent in a few requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from deployments.core.ids import CollectionName
from serve_app.client.connection import Connection
from serve_app.client.responses import error_of
from serve_app.client.results import DocumentOutcome

Files: TypeAlias = Mapping[str, bytes | Path]
"""Documents, or the files to read them from, by id."""

_REQUEST_DOCUMENTS = 64
_REQUEST_BYTES = 16 * 2**20
"""One request has no more than this, unless one document is larger. Its outcomes are known when all of it
is stored."""


async def ingested(
    connection: Connection, collection: CollectionName, files: Files
) -> AsyncGenerator[DocumentOutcome, None]:
    """Stores documents; yields what became of each."""
    for some in _requests(files):
        *outcomes, summary = await connection.post_files(f"/v1/collections/{collection}/ingest", some)
        for outcome in outcomes:
            yield outcome
        if (error := error_of(summary)) is not None:
            raise error


def _requests(files: Files) -> Iterator[dict[str, bytes]]:
    """The documents of each request. A file is read when its request is made."""
    some: dict[str, bytes] = {}
    for name, given in files.items():
        content = given.read_bytes() if isinstance(given, Path) else given
        size = sum(map(len, some.values())) + len(content)
        if some and (len(some) == _REQUEST_DOCUMENTS or size > _REQUEST_BYTES):
            yield some
            some = {}
        some[name] = content
    if some:
        yield some

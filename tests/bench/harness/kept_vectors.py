"""Keeps the vectors of documents in a file: embedding thousands of passages takes minutes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from deployments.core.batches import batches
from deployments.core.ids import Fingerprint
from deployments.database.vectors import Embedder, Matrix, Vector, from_blob, to_blob

_BATCH_TEXTS = 64
"""Texts that are embedded before they are written, so that an aborted run keeps most of its work."""


class KeptVectors:
    """An `Embedder` that embeds each document's text once. Questions are embedded each time.

    The file's key is the text and the model's fingerprint, so that any change of either is embedded again.
    """

    def __init__(self, real: Embedder, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._real = real
        self._file = sqlite3.connect(folder / f"vectors-{real.fingerprint}.db", isolation_level=None)
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    @property
    def fingerprint(self) -> Fingerprint:
        """The other embedder's fingerprint."""
        return self._real.fingerprint

    @property
    def dimensions(self) -> int:
        """The other embedder's dimensions."""
        return self._real.dimensions

    async def embed_query(self, text: str) -> Vector:
        """Embeds a question."""
        return await self._real.embed_query(text)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Embeds questions."""
        return await self._real.embed_queries(texts)

    async def embed_wordings(self, texts: Sequence[str]) -> Matrix:
        """Embeds wordings each time."""
        return await self._real.embed_wordings(texts)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Embeds only texts that are new."""
        new = [text for text in dict.fromkeys(texts) if self._kept(text) is None]
        for batch in batches(new, _BATCH_TEXTS):
            vectors = await self._real.embed_documents(batch)
            rows = [(_key(text), to_blob(row)) for text, row in zip(batch, vectors, strict=True)]
            self._file.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
        return np.array([self._kept(text) for text in texts], np.float32).reshape(-1, self.dimensions)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _kept(self, text: str) -> Vector | None:
        row = self._file.execute("SELECT vector FROM vectors WHERE text = ?", (_key(text),)).fetchone()
        return None if row is None else from_blob(row[0])


def _key(text: str) -> bytes:
    return sha256(text.encode()).digest()

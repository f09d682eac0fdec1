"""The embedding model: sentence-transformers on a CPU."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deployments.core.batches import batches
from deployments.core.errors import ConfigurationError
from deployments.core.ids import Fingerprint
from deployments.database.vectors import Matrix, Vector

_SCHEMA_VERSION = 1
"""Part of the fingerprint. Raise it when `embedded_text` or the windows of long texts change."""
_BATCH_TEXTS = 4
"""Texts in one call of the model. A question waits for at most one batch of an ingest, and larger
batches are hardly faster on a CPU."""

T = TypeVar("T")


def embedded_text(title: str, heading: str, body: str) -> str:
    """Returns the text whose vector represents a chunk in search."""
    return "\n".join(part for part in (title, heading, body) if part)


class SentenceEmbedder:
    """Implements `Embedder` with sentence-transformers in its own thread. Create it by `open`."""

    def __init__(self, model: Any, worker: ThreadPoolExecutor) -> None:
        self._model = model
        self._worker = worker
        self.dimensions = int(model.get_embedding_dimension())
        self.fingerprint = _fingerprint(model)

    @classmethod
    async def open(cls, path_or_name: Path | str, torch_threads: int = 1) -> SentenceEmbedder:
        """Loads a model from a folder or by its name.

        More `torch_threads` help only if there are idle cores. Raises ConfigurationError when there is
        no such model.
        """
        worker = ThreadPoolExecutor(1, "embedder")

        def load() -> SentenceEmbedder:
            import torch
            from sentence_transformers import SentenceTransformer

            # The setting applies to the calling thread, so the worker has to call it.
            torch.set_num_threads(torch_threads)
            return cls(SentenceTransformer(str(path_or_name), device="cpu"), worker)

        try:
            return await asyncio.get_running_loop().run_in_executor(worker, load)
        except (OSError, ValueError) as error:
            worker.shutdown(wait=False)
            message = f"no embedding model at {path_or_name}: {error}"
            raise ConfigurationError(message, "embedding_model") from error

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of one question."""
        question: Vector = (await self.embed_queries([text]))[0]
        return question

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of questions, one row each, in the order of `texts`."""
        return await self._embed(texts, self._model.encode_query)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of chunks or other stored texts, one row each, in the order of `texts`."""
        return await self._embed(texts, self._model.encode_document)

    def close(self) -> None:
        """Ends the worker thread after the current batch."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _embed(self, texts: Sequence[str], encode: Callable[..., Any]) -> Matrix:
        """Embeds texts of any length.

        The model reads a limited number of word pieces. A longer text is split into windows of equal
        length, and its vector is the normalised mean of theirs, so that no part of it is ignored.
        """
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        windows = await self._run(partial(self._all_windows, texts))
        flat = [window for of_text in windows for window in of_text]
        parts = [
            await self._run(partial(self._encode, list(batch), encode))
            for batch in batches(flat, _BATCH_TEXTS)
        ]
        starts = np.cumsum([0, *(len(of_text) for of_text in windows[:-1])])
        return _normalised(np.add.reduceat(np.concatenate(parts), starts, axis=0))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _encode(self, texts: list[str], encode: Callable[..., Any]) -> Matrix:
        vectors = encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _all_windows(self, texts: Sequence[str]) -> list[list[str]]:
        return [self._windows(text) for text in texts]

    def _windows(self, text: str) -> list[str]:
        limit = self._model.max_seq_length
        if not isinstance(limit, int):  # static models have no limit
            return [text]
        encoded = self._model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = encoded["offset_mapping"]
        # The model adds two word pieces to each window: [CLS] and [SEP].
        count = -(-len(offsets) // (limit - 2))
        if count <= 1:
            return [text]
        cuts = [offsets[len(offsets) * i // count][0] for i in range(1, count)]
        bounds = [0, *cuts, len(text)]
        return [text[a:b] for a, b in pairwise(bounds)]


def _normalised(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _fingerprint(model: Any) -> Fingerprint:
    """Hashes weights, tokenizer, limit and prompts, since a name or path may change or be wrong."""
    import torch

    digest = hashlib.sha256(f"{_SCHEMA_VERSION}/{model.max_seq_length}/{model.prompts}".encode())
    digest.update(getattr(model.tokenizer, "backend_tokenizer", model.tokenizer).to_str().encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return Fingerprint(f"{model.get_embedding_dimension()}-{digest.hexdigest()[:32]}")

"""Texts to vectors: the port, and its adapter to sentence-transformers on a CPU."""

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

from deployments.core.errors import ConfigurationError
from deployments.core.ids import Fingerprint
from deployments.database.vectors import Matrix, Vector

_SCHEMA_VERSION = 1
"""Part of the fingerprint. Raise it when `embedded_text` or the windows below change."""
_BATCH_TEXTS = 4
"""A question waits for one batch of an ingest at most; larger batches are hardly faster on a CPU."""

T = TypeVar("T")


def embedded_text(title: str, heading: str, body: str) -> str:
    """The text that stands for a chunk in vector search."""
    return "\n".join(part for part in (title, heading, body) if part)


class SentenceEmbedder:
    """A sentence-transformers model in one worker thread of its own; get one from `open`."""

    def __init__(self, model: Any, worker: ThreadPoolExecutor) -> None:
        self._model = model
        self._worker = worker
        self.dimensions = int(model.get_embedding_dimension())
        self.fingerprint = _fingerprint(model)

    @classmethod
    async def open(cls, path_or_name: Path | str, torch_threads: int = 1) -> SentenceEmbedder:
        """Loads a model from a folder or by its name. More threads pay only on idle cores.

        Raises: ConfigurationError when there is no such model.
        """
        worker = ThreadPoolExecutor(1, "embedder")

        def load() -> SentenceEmbedder:
            import torch
            from sentence_transformers import SentenceTransformer

            # Holds for the calling thread, hence inside the worker.
            torch.set_num_threads(torch_threads)
            return cls(SentenceTransformer(str(path_or_name), device="cpu"), worker)

        try:
            return await asyncio.get_running_loop().run_in_executor(worker, load)
        except (OSError, ValueError) as error:
            worker.shutdown(wait=False)
            message = f"no embedding model at {path_or_name}: {error}"
            raise ConfigurationError(message, "embedding_model") from error

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question."""
        question: Vector = (await self.embed_queries([text]))[0]
        return question

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """The vectors of questions, in order."""
        return await self._embed(texts, self._model.encode_query)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """The vectors of chunks, in order."""
        return await self._embed(texts, self._model.encode_document)

    def close(self) -> None:
        """Ends the worker thread after the batch it is at."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _embed(self, texts: Sequence[str], encode: Callable[..., Any]) -> Matrix:
        """The model reads a limited number of word pieces: a longer text is embedded in windows of equal
        length whose mean stands for it, so that none of it goes unread.
        """
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        windows = await self._run(partial(self._all_windows, texts))
        flat = [window for of_text in windows for window in of_text]
        batches = [flat[start : start + _BATCH_TEXTS] for start in range(0, len(flat), _BATCH_TEXTS)]
        parts = [await self._run(partial(self._encode, batch, encode)) for batch in batches]
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
        if not isinstance(limit, int):  # static models read texts of any length
            return [text]
        encoded = self._model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = encoded["offset_mapping"]
        # Two word pieces of each window are the model's own [CLS] and [SEP].
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
    """Of weights, tokenizer and limit, not of a name or path, which may change or lie."""
    import torch

    digest = hashlib.sha256(f"{_SCHEMA_VERSION}/{model.max_seq_length}/{model.prompts}".encode())
    digest.update(getattr(model.tokenizer, "backend_tokenizer", model.tokenizer).to_str().encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return Fingerprint(f"{model.get_embedding_dimension()}-{digest.hexdigest()[:32]}")

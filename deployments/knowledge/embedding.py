"""The embedding model: sentence-transformers on a CPU.

Questions have a thread of their own. Documents have several threads of the lowest priority, so that an
ingest uses idle cores and delays neither questions nor an engine on the same cores.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from deployments.core.batches import batches
from deployments.core.errors import ConfigurationError
from deployments.core.ids import Fingerprint
from deployments.database.vectors import Matrix, Vector, normalised

_SCHEMA_VERSION = 1
"""Part of the fingerprint. Raise it when `embedded_text` or the windows of long texts change."""
_BATCH_WINDOWS = 8
"""Windows in one call of the model. Larger batches are not faster on a CPU if the windows of a batch are of
similar length, and a call of another tenant waits for at most one batch."""
_SLICE_TEXTS = 256
"""Texts that are cut into windows at a time, for the same reason. They are also sorted by length together,
because a batch computes as long for its short windows as for its longest one."""
_MAX_THREADS = 4
"""Most threads that embed documents."""
_LOWEST_PRIORITY = 19
"""Nice value."""


@dataclass(frozen=True, slots=True)
class _Role:
    """What a text is for. A model may begin questions and passages with different words, its prompts."""

    encode: str
    """The model's method."""
    prompts: Sequence[str]
    """Names of the model's prompts, of which the method takes the first that there is."""

    def prompt(self, model: Any) -> str:
        """The words that the model puts before a text; "" if it has none."""
        return next((model.prompts[name] for name in self.prompts if name in model.prompts), "")


_QUERY = _Role("encode_query", ["query"])
_DOCUMENT = _Role("encode_document", ["document", "passage", "corpus"])

T = TypeVar("T")


def embedded_text(title: str, heading: str, body: str) -> str:
    """Returns the text whose vector represents a chunk in search."""
    return "\n".join(part for part in (title, heading, body) if part)


class SentenceEmbedder:
    """Implements `Embedder` with sentence-transformers in threads. Create it by `open`."""

    def __init__(self, model: Any, threads: int) -> None:
        """`threads` embed documents. Each computes alone: threads that share a batch wait for each other."""
        self._questions = _Lane(model, 1, nice=0)
        self._documents = _Lane(model, threads, nice=_LOWEST_PRIORITY)
        self.dimensions = int(model.get_embedding_dimension())
        self.fingerprint = _fingerprint(model)

    @classmethod
    async def open(cls, path_or_name: Path | str, threads: int = 1) -> SentenceEmbedder:
        """Loads a model from a folder or by its name. At most four `threads` are used.

        Raises ConfigurationError when there is no such model.
        """

        def load() -> SentenceEmbedder:
            from sentence_transformers import SentenceTransformer

            return cls(SentenceTransformer(str(path_or_name), device="cpu"), min(threads, _MAX_THREADS))

        try:
            return await asyncio.to_thread(load)
        except (OSError, ValueError) as error:
            message = f"no embedding model at {path_or_name}: {error}"
            raise ConfigurationError(message, "embedding_model") from error

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of one question."""
        question: Vector = (await self.embed_queries([text]))[0]
        return question

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of questions, one row each, in the order of `texts`."""
        return await self._embed(self._questions, _QUERY, texts)

    async def embed_wordings(self, texts: Sequence[str]) -> Matrix:
        """Returns what `embed_queries` does, without delaying questions."""
        return await self._embed(self._documents, _QUERY, texts)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of chunks or other stored texts, one row each, in the order of `texts`."""
        return await self._embed(self._documents, _DOCUMENT, texts)

    def close(self) -> None:
        """Ends the threads after their current batches."""
        self._questions.close()
        self._documents.close()

    async def _embed(self, lane: _Lane, role: _Role, texts: Sequence[str]) -> Matrix:
        """Embeds texts of any length.

        The model reads a limited number of word pieces. A longer text is split into windows of equal
        length, and its vector is the normalised mean of theirs, so that no part of it is ignored.
        """
        slices = [await self._embed_slice(lane, role, some) for some in batches(texts, _SLICE_TEXTS)]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *slices])

    async def _embed_slice(self, lane: _Lane, role: _Role, texts: Sequence[str]) -> Matrix:
        windows = await lane.run(partial(_windows, role=role, texts=texts))
        flat = [window for of_text in windows for window in of_text]
        by_length = sorted(range(len(flat)), key=lambda number: len(flat[number]))
        parts = np.empty((len(flat), self.dimensions), np.float32)

        async def embed(left: Iterator[Sequence[int]]) -> None:
            for numbers in left:
                batch = [flat[number] for number in numbers]
                parts[numbers] = await lane.run(partial(_encoded, role=role, texts=batch))

        # No more batches than threads are in the queue, so that other calls get their turn.
        waiting = batches(by_length, _BATCH_WINDOWS)
        await asyncio.gather(*(embed(waiting) for _ in range(lane.threads)))
        starts = np.cumsum([0, *(len(of_text) for of_text in windows[:-1])])
        return normalised(np.add.reduceat(parts, starts, axis=0))


class _Lane:
    """Threads with one priority. Each call gets a model of its own; all models share their weights."""

    def __init__(self, model: Any, threads: int, nice: int) -> None:
        self.threads = threads
        self._nice = nice
        self._models: SimpleQueue[Any] = SimpleQueue()
        weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        for _ in range(threads):  # two threads can't use one tokenizer
            self._models.put(copy.deepcopy(model, dict(weights)))
        self._workers = ThreadPoolExecutor(threads, "embedder", self._prepare_thread)

    async def run(self, work: Callable[[Any], T]) -> T:
        """Returns what `work` returns for a model."""

        def call() -> T:
            model = self._models.get()
            try:
                return work(model)
            finally:
                self._models.put(model)

        return await asyncio.get_running_loop().run_in_executor(self._workers, call)

    def close(self) -> None:
        """Ends the threads after their current calls."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _prepare_thread(self) -> None:
        import torch

        torch.set_num_threads(1)  # applies to the calling thread
        present = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(self._nice, present))


def _encoded(model: Any, role: _Role, texts: list[str]) -> Matrix:
    import torch

    # The cosine of a vector with that of float32 is above 0.9999, and the model takes half the time.
    with torch.autocast("cpu", torch.bfloat16, enabled=_computes_bfloat16()):
        vectors = getattr(model, role.encode)(texts, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


@cache
def _computes_bfloat16() -> bool:
    """Whether the CPU multiplies matrices of bfloat16; others would emulate it."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _windows(model: Any, role: _Role, texts: Sequence[str]) -> list[list[str]]:
    """Splits each text into windows that the model reads whole, with its prompt before each."""
    limit = model.max_seq_length
    if not isinstance(limit, int):  # static models have no limit
        return [[text] for text in texts]
    prompt = model.tokenizer(role.prompt(model), add_special_tokens=False)["input_ids"]
    room = max(limit - len(prompt) - model.tokenizer.num_special_tokens_to_add(), 1)
    return [_split(model, text, room) for text in texts]


def _split(model: Any, text: str, room: int) -> list[str]:
    encoded = model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    count = -(-len(offsets) // room)
    if count <= 1:
        return [text]
    cuts = [offsets[len(offsets) * i // count][0] for i in range(1, count)]
    bounds = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


def _fingerprint(model: Any) -> Fingerprint:
    """Hashes weights, tokenizer, limit and prompts, since a name or path may change or be wrong."""
    import torch

    # Earlier versions left no room for prompts in the windows, so the vectors of models with prompts differ.
    schema = _SCHEMA_VERSION + any(model.prompts.values())
    digest = hashlib.sha256(f"{schema}/{model.max_seq_length}/{model.prompts}".encode())
    digest.update(getattr(model.tokenizer, "backend_tokenizer", model.tokenizer).to_str().encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return Fingerprint(f"{model.get_embedding_dimension()}-{digest.hexdigest()[:32]}")

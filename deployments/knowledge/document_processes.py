"""Reads documents in processes of their own, in which no document harms another tenant."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from deployments.core.documents import DocumentDraft
from deployments.core.errors import KnowledgeUnavailable, UnprocessableDocument
from deployments.core.ids import DocId, TenantId
from deployments.knowledge.cutting.chunking import Chunk, Chunker
from deployments.knowledge.document_cutter import CutDocument, DocumentCutter
from deployments.knowledge.document_limits import DocumentLimits
from deployments.knowledge.document_messages import Job
from deployments.knowledge.document_process import DocumentFailed, DocumentProcess
from deployments.knowledge.fair_turns import FairTurns

log = logging.getLogger(__name__)

_IDLE_S = 300.0
"""After this time without a document, the idle processes end."""


class DocumentProcesses:
    """Implements DocumentReader.

    A tenant gets at most half of the processes at a time, so that its documents can't stop another's.
    Processes start when they are needed. A caller's cancellation ends its work.
    """

    def __init__(
        self, chunker: Chunker, limits: DocumentLimits | None = None, processes: int | None = None
    ) -> None:
        """Makes the reader. `chunker` must be picklable. Without `processes`: two to four, by cores."""
        self._cutter = DocumentCutter(chunker, limits or DocumentLimits())
        count = processes or max(2, min(len(os.sched_getaffinity(0)) - 1, 4))
        self._turns = FairTurns(count, max(count // 2, 1))
        self._idle: list[DocumentProcess] = []
        self._idle_end: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def chunk_tokens(self) -> int:
        """Most tokens of a chunk's segment."""
        return self._cutter.chunker.chunk_tokens

    @property
    def pids(self) -> list[int]:
        """The ids of the idle processes."""
        return [process.pid for process in self._idle]

    async def read(self, tenant: TenantId, draft: DocumentDraft) -> CutDocument:
        """Reads and cuts a draft.

        Raises UnsupportedMediaType, InvalidRequest, and UnprocessableDocument, also for a document that
        exceeds a limit.
        """
        found: CutDocument = await self._run(tenant, draft.doc_id, DocumentCutter.read, draft)
        return found

    async def cut(self, tenant: TenantId, doc_id: DocId, title: str, text: str) -> list[Chunk]:
        """Cuts a stored text. Raises UnprocessableDocument."""
        chunks: list[Chunk] = await self._run(tenant, doc_id, DocumentCutter.cut, doc_id, title, text)
        return chunks

    async def close(self) -> None:
        """Ends the processes; a document that is being read ends with its call."""
        self._closed = True
        self._end_idle()

    async def _run(
        self, tenant: TenantId, doc_id: DocId, method: Callable[..., Any], *arguments: object
    ) -> Any:
        async with self._turns.turn(tenant):
            process = await self._ready_process()
            try:
                return await process.run(Job(method.__name__, arguments))
            except DocumentFailed as reason:
                log.warning("tenant %s, document %s: %s", tenant, doc_id, reason)
                raise UnprocessableDocument(f"document {doc_id}: {reason}") from None
            finally:
                self._give_back(process)

    async def _ready_process(self) -> DocumentProcess:
        if self._closed:
            raise KnowledgeUnavailable("the knowledge base is shutting down")
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            process.kill()
        return await DocumentProcess.start(self._cutter)

    def _give_back(self, process: DocumentProcess) -> None:
        if self._closed or not process.reusable:
            process.kill()
            return
        self._idle.append(process)
        if self._idle_end is not None:
            self._idle_end.cancel()
        self._idle_end = asyncio.get_running_loop().call_later(_IDLE_S, self._end_idle)

    def _end_idle(self) -> None:
        if self._idle_end is not None:
            self._idle_end.cancel()
        while self._idle:
            self._idle.pop().kill()

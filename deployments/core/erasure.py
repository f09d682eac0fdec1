"""Erasures: they delete texts, and all that was derived from them, from every store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from deployments.core.access import Actor
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.limits import MAX_USER_ID_CHARS
from deployments.core.replica import repeatable
from deployments.core.texts import check_text


class ErasureKind(StrEnum):
    """What is erased."""

    DOCUMENT = "document"
    """A document with its versions."""
    COLLECTION = "collection"
    """All documents of a collection."""
    CUSTOMER = "customer"
    """Tickets, templates, ideas and conversations with a user_id."""
    TENANT = "tenant"
    """All of the above."""


class ErasureState(StrEnum):
    """How far an erasure is."""

    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ErasureTarget:
    """What an erasure erases. Raises InvalidRequest on a subject that no database stores."""

    kind: ErasureKind
    collection: CollectionName | None = None
    """Of a document, or to be emptied; None for other kinds."""
    subject: str = ""
    """The document's id or the customer's user_id; "" for other kinds."""

    def __post_init__(self) -> None:
        if self.kind is ErasureKind.CUSTOMER:
            check_text(self.subject, "user_id", MAX_USER_ID_CHARS)


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure as its caller follows it. It does not say whom or which document it erased."""

    erasure_id: str
    kind: ErasureKind
    state: ErasureState
    requested_at_s: float
    """Unix seconds."""
    finished_at_s: float | None
    """Unix seconds; None while it runs."""
    removed: Mapping[str, int]
    """How many things it has deleted, by what they are ("tickets"). It can be a little too low after a
    crash."""
    problem: str | None
    """Why it did not finish at the last attempt; None if it did, or still runs."""


RecordIds: TypeAlias = "Mapping[str, Sequence[str]]"
"""Ids of records by what they are: "tickets", "templates", "ideas"."""


ALWAYS_S = 1e12
"""Unix seconds after all times. JSON has no infinity."""


@dataclass(frozen=True, slots=True)
class ErasedPassages:
    """Passages of erased documents: conversations that used them tell what the documents said."""

    segments: frozenset[str] = frozenset()
    """Digests of the passages that the documents had at last."""
    gone_until_s: float = 0.0
    """Unix seconds. A passage that no document has any more may be an earlier one of the erased documents if
    it was used before; 0 if they had no earlier ones."""

    def __or__(self, other: ErasedPassages) -> ErasedPassages:
        """The passages of both."""
        return ErasedPassages(
            self.segments | other.segments, max(self.gone_until_s, other.gone_until_s)
        ).bounded()

    def bounded(self) -> ErasedPassages:
        """With at most `MAX_SEGMENTS` digests: instead of more, all passages that are gone count."""
        return self if len(self.segments) <= MAX_SEGMENTS else ALL_GONE


MAX_SEGMENTS = 5000
"""Digests that are noted of the documents that an erasure erases from one collection."""
ALL_GONE = ErasedPassages(gone_until_s=ALWAYS_S)
"""All passages that no document of the collection has any more."""


class ErasureDesk(Protocol):
    """Erasures. Raises KnowledgeUnavailable."""

    async def erase(self, actor: Actor, tenant: TenantId, target: ErasureTarget) -> Erasure:
        """Starts an erasure and waits some time for its end. It goes on after that, also after a crash.

        Leaves an `AuditEntry` without the target's name.
        """

    @repeatable
    async def erasure(self, tenant: TenantId, erasure_id: str) -> Erasure:
        """An erasure of the last 400 days as it is now. Raises NotFound."""


class DocumentEraser(Protocol):
    """Deletes documents in bulk. Raises KnowledgeUnavailable. Each call can be repeated."""

    async def passages(self, scope: Scope, doc_ids: Sequence[DocId]) -> ErasedPassages | None:
        """The passages of documents of a collection, before they are erased; None if there are no such
        documents.
        """

    async def erase(self, scope: Scope, doc_ids: Sequence[DocId] | None) -> Mapping[str, int]:
        """Deletes documents of a collection, all if `doc_ids` is None; returns how many of what.

        Returns when no lease holder uses their texts any more.
        """

    async def collections(self, tenant: TenantId) -> Sequence[CollectionName]:
        """The tenant's collections that have ever had a document."""

    async def renew_salt(self, tenant: TenantId) -> None:
        """Starts a new epoch of the tenant's cache salt.

        Returns when no process uses the former salt, or keeps texts of the tenant in its memory.
        """


class RecordEraser(Protocol):
    """Deletes tickets, templates and ideas. Raises KnowledgeUnavailable. Each call can be repeated."""

    @property
    def documented(self) -> Mapping[str, CollectionName]:
        """The kinds of records that have documents, and the collection where a record's id names its own."""

    async def find(self, tenant: TenantId, target: ErasureTarget) -> RecordIds:
        """Some of the records to erase; nothing if there are no more."""

    async def delete(self, tenant: TenantId, found: RecordIds) -> Mapping[str, int]:
        """Deletes records, but not their documents; returns how many of what."""

    async def forget_responses(self, tenant: TenantId, names: Collection[str] | None) -> int:
        """Deletes the responses kept for repeated calls that contain one of the names; all if it is None."""


class ConversationEraser(Protocol):
    """Deletes conversations. Raises KnowledgeUnavailable. Each call can be repeated."""

    async def erase(
        self, tenant: TenantId, target: ErasureTarget, erased: Mapping[CollectionName, ErasedPassages]
    ) -> int:
        """Deletes the target's own conversations, and those that used `erased` passages; returns how many.

        Call it after the documents are erased.
        """


class CacheEraser(Protocol):
    """The caches that all replicas share."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes the tenant's entries; returns how many segments there were. Raises CacheUnavailable."""

"""What was retrieved, as caches keep it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Protocol

from deployments.core.documents import Retrieval, SearchQuery


@dataclass(frozen=True, slots=True)
class RetrievalKey:
    """All that decides an answer: the query, its text normalised; the state it was answered in (see
    `core.leases.Lease`); and by which kind of retriever.
    """

    query: SearchQuery
    state: str
    kind: str


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Mean seconds between two uses of an entry and between two changes of its collection; None: not seen."""

    reuse_s: float | None = None
    update_s: float | None = None


class RetrievalStore(Protocol):
    """Retrievals shared by all replicas. An entry's key has its state, so entries are immutable.

    Every method raises CacheUnavailable, and nothing else, when the store can't be used.
    """

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        """What was retrieved; None where there is nothing, or a damaged entry, which is deleted."""

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        """Stores an entry that expires after `ttl_s` seconds."""


def normalised(question: str) -> str:
    """A question as it is searched for: in Unicode's form NFC, white space as single blanks, none around it.

    What an embedding model or the reader can tell apart, such as upper and lower case, stays.
    """
    return " ".join(unicodedata.normalize("NFC", question).split())

"""Leases on the contents of a knowledge base: a lease holder need not ask whether a text is current.

A lease says that a collection is at a generation. The holder counts a lease's time from before it sent
the call, the knowledge base from when it answered, so the holder's time always ends first. A change of
documents returns only when every holder has acknowledged it or has no valid lease any more. A request
that arrives after the change has returned therefore never gets an old text.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import Scope
from deployments.core.replica import repeatable

HolderId = NewType("HolderId", str)
"""A process that holds leases: random, never used twice."""

LEASE_S = 2.0
"""Duration of a lease, and so the longest that a change of documents waits for holders."""

POLL_S = 0.8
"""How long `watch` waits for a change. The rest of a lease is a reserve for slow machines."""

UNKNOWN = -1
"""For `watch`: the caller knows no generation of this scope, so `watch` answers at once."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to treat a collection as unchanged for a time."""

    generation: int
    """The collection's generation, which each change raises."""
    state: str
    """Names everything, except the query, that a search's result depends on: equal states, equal
    passages.

    A state is never used again for other contents, not even in a database that was restored or replaced.
    """
    lease_s: float
    """How long it lasts, counted from before the call was sent; 0 where none was granted."""


@dataclass(frozen=True, slots=True)
class LeasedRetrieval:
    """The result of a search, and a lease on the collection as the search read it."""

    retrieval: Retrieval
    lease_s: float
    """How long the lease lasts, counted from before the call was sent; 0 where none was granted."""

    @property
    def lease(self) -> Lease:
        """The lease."""
        return Lease(self.retrieval.generation, self.retrieval.state, self.lease_s)


class LeasingKnowledge(Protocol):
    """The knowledge base for processes that cache its results. Methods raise KnowledgeUnavailable."""

    @repeatable
    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """Searches as `Retriever.search` does, and grants a lease on the query's scope."""

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """Renews leases: on the scopes of `known`, and on others of this holder that have changed.

        Answers when one of them changes, at the latest after `POLL_S` seconds. `known` has the
        generations that the holder knows. By this call the holder acknowledges that it uses nothing
        older.
        """


def lease_clock() -> float:
    """Monotonic seconds that include the machine's suspension, which must not prolong a lease."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)

"""Leases on what a knowledge base holds: for their time, who has one need not ask whether a text is current.

A lease says that a collection is at a generation. Its holder counts its time from before it asked, who
granted it from when it answered, so the holder's always ends first. A change of documents returns when every
holder has acknowledged it or holds no lease any more: so a request that comes afterwards meets no old text.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import Scope

HolderId = NewType("HolderId", str)
"""A process that holds leases: random, never used twice."""

LEASE_S = 2.0
"""No lease is longer, so no change of documents waits longer, whatever has become of a holder."""

POLL_S = 0.8
"""How long `watch` waits for news. The rest of a lease bears a slow machine: without it leases lapse."""

UNKNOWN = -1
"""For `watch`: the generation is not known, so answer at once."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A collection is at `generation`, for `lease_s` from before the question; 0 where none was granted.

    `state` names all that a search's answer depends on beside the query: equal states, equal passages.
    It never comes again for other contents, not even in a database that was restored or replaced.
    """

    generation: int
    state: str
    lease_s: float


@dataclass(frozen=True, slots=True)
class LeasedRetrieval:
    """What was found, and a lease on the collection at the state that it was found in."""

    retrieval: Retrieval
    lease_s: float

    @property
    def lease(self) -> Lease:
        """The lease."""
        return Lease(self.retrieval.generation, self.retrieval.state, self.lease_s)


class LeasingKnowledge(Protocol):
    """Knowledge, as those see it who keep what it found. Raises KnowledgeUnavailable."""

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """As `Retriever.search`, and a lease on the query's scope."""

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        """New leases on the scopes of `known` and on others that have changed, after at most `POLL_S`:
        at once when one of them changes.

        `known` has the generations that the holder knows; by the call it acknowledges that it uses nothing
        older.
        """


def lease_clock() -> float:
    """Seconds that go on while a machine is suspended, or a lease would outlive its time there."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)

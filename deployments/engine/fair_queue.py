"""Whose request runs next: tenants share the engine by tokens (start-time fair queueing).

Each request has a start tag, a time that passes with the tokens that are served: the later of the time now
and the end of its tenant's previous request. Of the tenants' first requests, the one with the earliest tag
runs next. The time now is the earliest tag of those that run: the engine may not have begun with the later
ones, and a tenant that comes must not wait for them.

So tenants that always have requests waiting get the same number of tokens, and a tenant that comes back from
a pause neither waits for what others have queued nor makes up for its pause.

A tenant takes a seat only while it has fewer than `SHARE` times the seats that are free, so some stay free
for others: a lone tenant fills 4 of 5 seats, two fill 8 of 9. Pure.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

SHARE = 4


def may_take(own: int, free: int) -> bool:
    """Whether a tenant that has `own` seats may take one of the `free` ones."""
    return own < SHARE * free


@dataclass(slots=True)
class _Tenant(Generic[Item]):
    """A tenant with requests."""

    seats: int = 0
    """Its requests that run."""
    finish: int = 0
    """The tag at which its last request that has started ends."""
    waiting: deque[tuple[Item, int]] = field(default_factory=deque)
    """Its requests that wait, and their tokens."""


class FairQueue(Generic[Item]):
    """Requests of tenants that run in `seats` or wait for one. Knows only tenants that have requests, or
    have lately got more than others.
    """

    def __init__(self, seats: int) -> None:
        self._seats = seats
        self._now = 0
        self._tags: list[int] = []
        """Start tags of the requests that run, in order."""
        self._tenants: dict[str, _Tenant[Item]] = {}

    @property
    def running(self) -> int:
        """How many requests run."""
        return len(self._tags)

    @property
    def tenants(self) -> int:
        """How many tenants are known."""
        return len(self._tenants)

    def count(self, tenant: str) -> int:
        """How many requests of a tenant run or wait."""
        known = self._tenants.get(tenant)
        return known.seats + len(known.waiting) if known else 0

    def add(self, tenant: str, tokens: int, item: Item) -> None:
        """Adds a request that waits. `tokens` is what it will cost, as far as that is known."""
        self._tenants.setdefault(tenant, _Tenant()).waiting.append((item, tokens))

    def start(self) -> tuple[Item, int] | None:
        """Starts the request whose turn it is; returns it and its start tag. None if none may start."""
        free = self._seats - self.running
        ready = [one for one in self._tenants.values() if one.waiting and may_take(one.seats, free)]
        if not ready:
            return None
        tenant = min(ready, key=lambda one: one.finish)
        item, tokens = tenant.waiting.popleft()
        tag = max(self._now, tenant.finish)
        tenant.finish = tag + tokens
        tenant.seats += 1
        insort(self._tags, tag)
        self._now = self._tags[0]
        return item, tag

    def withdraw(self, tenant: str, item: Item) -> None:
        """Removes a request that waits."""
        known = self._tenants[tenant]
        known.waiting = deque(entry for entry in known.waiting if entry[0] is not item)
        self._forget()

    def end(self, tenant: str, tag: int, unused_tokens: int) -> None:
        """Frees the seat of a request with this start tag. `unused_tokens` is how much less the request
        cost than was said; negative: more.
        """
        known = self._tenants[tenant]
        known.seats -= 1
        known.finish -= unused_tokens
        self._tags.remove(tag)
        self._now = self._tags[0] if self._tags else self._now
        self._forget()

    def _forget(self) -> None:
        """Forgets tenants without requests whose next one could start now; all if nobody has requests."""
        busy = {name for name, one in self._tenants.items() if one.seats or one.waiting}
        kept = {name for name, one in self._tenants.items() if one.finish > self._now} if busy else set()
        self._tenants = {name: one for name, one in self._tenants.items() if name in busy | kept}
        if not busy:
            self._now = 0

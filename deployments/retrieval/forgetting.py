"""Drops the texts that a process keeps of scopes that have changed, or of whose changes it hears no longer.

Leases make such texts unusable. They must also leave the memory, since somebody may have deleted them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from deployments.core.ids import Scope
from deployments.core.salt import SALT_COLLECTION

FORGET_AFTER_S = 2.0
"""How long after a change texts are dropped: requests that had found them before have passed them on by then,
so they put nothing back. Any number of changes cause one pass through the caches."""


class Forgetting:
    """Has scopes dropped from the caches of one process. Belongs to one event loop."""

    def __init__(
        self, forget: Callable[[Callable[[Scope], bool]], object], after_s: float = FORGET_AFTER_S
    ) -> None:
        """`forget` drops all that the process keeps of the scopes for which its argument is true."""
        self._forget = forget
        self._after_s = after_s
        self._due: set[Scope] = set()

    def changed(self, scope: Scope) -> None:
        """Has a scope dropped after `after_s` seconds.

        A new epoch of a tenant's salt is an erasure: drops all of the tenant's scopes, now and again later.
        """
        if scope.collection == SALT_COLLECTION:
            self._forget(lambda other: other.tenant == scope.tenant)
        if not self._due:
            asyncio.get_running_loop().call_later(self._after_s, self._forget_due)
        self._due.add(scope)

    def _forget_due(self) -> None:
        due, self._due = self._due, set()
        erased = {scope.tenant for scope in due if scope.collection == SALT_COLLECTION}
        self._forget(lambda scope: scope in due or scope.tenant in erased)

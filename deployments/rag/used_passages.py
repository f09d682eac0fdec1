"""Which passages this process has used in prompts, and in which versions of their documents."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from deployments.core.documents import Passage
from deployments.core.ids import Scope

MAX_PASSAGES = 50_000
"""Passages that are remembered, about 8 MB; the one used longest ago is forgotten first."""


class UsedPassages:
    """Tells whether a passage has changed since this process last used it.

    Knows passages by a hash of their names, since the name of an erased document must not stay in memory.
    """

    def __init__(self, limit: int = MAX_PASSAGES) -> None:
        self._limit = limit
        self._versions: OrderedDict[int, int] = OrderedDict()

    def changed(self, scope: Scope, passage: Passage) -> bool | None:
        """Whether the passage was last used in another version of its document; None if it was not used."""
        used = self._versions.get(_name(scope, passage))
        return None if used is None else used != passage.version

    def note(self, scope: Scope, passages: Iterable[Passage]) -> None:
        """Records that a prompt uses these passages."""
        for passage in passages:
            name = _name(scope, passage)
            self._versions[name] = passage.version
            self._versions.move_to_end(name)
        while len(self._versions) > self._limit:
            self._versions.popitem(last=False)


def _name(scope: Scope, passage: Passage) -> int:
    return hash((scope, passage.doc_id, passage.ordinal))

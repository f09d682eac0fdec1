"""Which versions of documents this process has used in prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from deployments.core.documents import Passage
from deployments.core.ids import Scope

MAX_DOCUMENTS = 20_000
"""Documents whose version is remembered, about 3 MB; the one used longest ago is forgotten first."""


class KnownVersions:
    """Tells whether a document has changed since this process last used it.

    Knows documents by a hash of their names, since the name of an erased one must not stay in memory.
    """

    def __init__(self, limit: int = MAX_DOCUMENTS) -> None:
        self._limit = limit
        self._versions: OrderedDict[int, int] = OrderedDict()

    def changed(self, scope: Scope, passage: Passage) -> bool:
        """Whether the passage's document was used before in another version."""
        return self._versions.get(hash((scope, passage.doc_id)), passage.version) != passage.version

    def note(self, scope: Scope, passages: Iterable[Passage]) -> None:
        """Records the versions that a prompt uses."""
        for passage in passages:
            name = hash((scope, passage.doc_id))
            self._versions[name] = passage.version
            self._versions.move_to_end(name)
        while len(self._versions) > self._limit:
            self._versions.popitem(last=False)

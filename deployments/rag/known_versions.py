"""Which versions of documents this process has used in prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from deployments.core.documents import Passage
from deployments.core.ids import Scope

MAX_DOCUMENTS = 20_000
"""Documents whose version is remembered, about 5 MB; the one used longest ago is forgotten first."""


class KnownVersions:
    """Tells whether a document has changed since this process last used it."""

    def __init__(self, limit: int = MAX_DOCUMENTS) -> None:
        self._limit = limit
        self._versions: OrderedDict[tuple[Scope, str], int] = OrderedDict()

    def changed(self, scope: Scope, passage: Passage) -> bool:
        """Whether the passage's document was used before in another version."""
        return self._versions.get((scope, passage.doc_id), passage.version) != passage.version

    def note(self, scope: Scope, passages: Iterable[Passage]) -> None:
        """Records the versions that a prompt uses."""
        for passage in passages:
            self._versions[scope, passage.doc_id] = passage.version
            self._versions.move_to_end((scope, passage.doc_id))
        while len(self._versions) > self._limit:
            self._versions.popitem(last=False)

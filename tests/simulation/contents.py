"""What the simulated database has committed, now and at each earlier generation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.core.documents import Passage
from deployments.core.ids import DocId, Scope

KEPT_GENERATIONS = 400
"""Generations of a collection whose contents are remembered: more than change while a question runs."""

COMMON = "common"
"""How the ids of documents begin that all tenants have alike."""


@dataclass(frozen=True, slots=True)
class Edition:
    """A document's text. `number` is in the text, so an answer shows which edition it was made from."""

    scope: Scope
    doc_id: DocId
    number: int

    @property
    def title(self) -> str:
        """The document's title."""
        return f"About {self.doc_id}"

    @property
    def body(self) -> str:
        """Names the tenant, except in documents that all tenants have alike."""
        owner = COMMON if self.doc_id.startswith(COMMON) else self.scope.tenant
        return f"{owner} {self.doc_id} edition {self.number}." + " Words." * (self.number % 7)

    def passage(self, version: int = 1) -> Passage:
        """Its only passage."""
        return Passage(self.doc_id, self.title, "", None, version, 0, self.body, 1.0, None)


Editions = Mapping[DocId, Edition]


@dataclass
class Collection:
    """A tenant's documents."""

    generation: int = 0
    stamp: str = ""
    editions: dict[DocId, Edition] = field(default_factory=dict)
    versions: dict[DocId, int] = field(default_factory=dict)
    """How often each document was written."""
    at: dict[int, Editions] = field(default_factory=lambda: {0: {}})
    """What each generation had."""


class Contents:
    """All collections. They survive every crash."""

    def __init__(self) -> None:
        self._collections: defaultdict[Scope, Collection] = defaultdict(Collection)
        self._stamps = 0

    def of(self, scope: Scope) -> Collection:
        """A collection; an empty one if it has never had a document."""
        return self._collections[scope]

    def commit(self, scope: Scope, doc_id: DocId | None = None, edition: Edition | None = None) -> int:
        """Writes a document, or deletes it (no edition); without a document, only a new generation begins.

        Returns the generation.
        """
        found = self.of(scope)
        if doc_id is not None:
            found.editions.pop(doc_id, None)
        if doc_id is not None and edition is not None:
            found.editions[doc_id] = edition
            found.versions[doc_id] = found.versions.get(doc_id, 0) + 1
        self._stamps += 1
        found.generation, found.stamp = found.generation + 1, f"stamp {self._stamps}"
        found.at[found.generation] = dict(found.editions)
        found.at.pop(found.generation - KEPT_GENERATIONS, None)
        return found.generation


def about(editions: Editions, topic: str) -> list[Edition]:
    """The documents that a question about a topic finds, best first."""
    return sorted((one for one in editions.values() if topic in one.doc_id), key=lambda one: one.doc_id)

"""The documents that chaos changes: each names its tenant, its room and its edition."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.core.documents import Passage
from deployments.core.ids import DocId

TENANTS = ("acme", "beta", "coop")
ROOMS = 4
_WORDS = re.compile(r"The weekly code word of room (\d+) at (\w+) is w(\d+)y\.")


@dataclass(frozen=True, slots=True)
class Edition:
    """One text of a document."""

    tenant: str
    room: int
    number: int
    """From 1, in the order of writing."""

    @property
    def doc_id(self) -> str:
        """The document's id."""
        return f"room-{self.room}"

    @property
    def title(self) -> str:
        """The document's title."""
        return f"Room {self.room}"

    @property
    def body(self) -> str:
        """The document's text, which is one chunk."""
        return (
            f"The weekly code word of room {self.room} at {self.tenant} is w{self.number}y. "
            f"Ask at the front desk of room {self.room} for more, or look at the board next to it."
        )

    def passage(self, similarity: float | None) -> Passage:
        """As a search finds it."""
        return Passage(DocId(self.doc_id), self.title, "", None, 1, 0, self.body, 1.0, similarity)


def editions_in(text: str) -> Iterator[Edition]:
    """The editions that a prompt has, in its order."""
    for room, tenant, number in _WORDS.findall(text):
        yield Edition(tenant, int(room), int(number))


class Written:
    """Which editions were sent, and which were acknowledged."""

    def __init__(self) -> None:
        self.sent: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.acknowledged: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.versions: dict[Edition, int] = {}
        """The version that the database gave to each acknowledged edition."""

    def next_edition(self, tenant: str, room: int) -> Edition:
        """The edition to write now. A document has one writer."""
        self.sent[tenant, room] += 1
        return Edition(tenant, room, self.sent[tenant, room])

    def acknowledge(self, edition: Edition, version: int) -> None:
        """A call that wrote this edition has returned."""
        self.versions[edition] = version
        self.acknowledged[edition.tenant, edition.room] = edition.number

    def least(self, tenant: str) -> dict[int, int]:
        """The editions that a question sent now must at least see, by room."""
        return {room: self.acknowledged[tenant, room] for room in range(ROOMS)}

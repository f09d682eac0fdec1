"""The residency that a new reader gets."""

from __future__ import annotations

from collections.abc import Iterable

from deployments.core.reuse.replica_view import ReplicaView, ResidentPath
from tests.unit.core.reuse.engine import Engine
from tests.unit.core.reuse.library import Library

NOTHING = ResidentPath((), 0)


def found(
    engine: Engine, library: Library, salt: str, documents: Iterable[int], head: int = 0
) -> ResidentPath:
    """The longest path."""
    view = ReplicaView("r1")
    view.apply(engine.residency.update_for(salt, None, 0))
    wanted = [library.segment(number) for number in documents]
    return view.longest_path(library.head_segment(head), wanted)


def caught_up(engine: Engine, library: Library, salt: str, documents: Iterable[int]) -> ResidentPath:
    """The same, once all is told."""
    engine.settle()
    return found(engine, library, salt, documents)

"""Counts changes of documents."""

from __future__ import annotations

from collections.abc import Callable

from deployments.core.ids import Scope
from deployments.core.metrics import DOCUMENT_CHANGES, INVALIDATED, Meter

Changed = Callable[[Scope, int], None]
"""Is called after a change of documents, with the number of segments that it invalidated."""


def counted(meter: Meter, changed: Changed) -> Changed:
    """`changed`, which also counts the change."""

    def count(scope: Scope, invalidated: int) -> None:
        meter.record(DOCUMENT_CHANGES, collection=scope.collection)
        meter.record(INVALIDATED, invalidated, collection=scope.collection)
        changed(scope, invalidated)

    return count

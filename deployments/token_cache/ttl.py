"""How long entries stay in the shared store. They never go stale: this only bounds the space they take."""

from __future__ import annotations

import math
from collections.abc import Mapping

from deployments.core.ids import CollectionName
from deployments.core.retrievals import Rhythm

DEFAULT_TTL_S = 3600
TTL_S: Mapping[CollectionName, int] = {
    CollectionName("support_kb"): 3600,
    CollectionName("business_templates"): 3600,
    CollectionName("documentation"): 7200,
}


def segment_ttl_s(collection: CollectionName, overrides: Mapping[CollectionName, int] | None = None) -> int:
    """Seconds a collection's segments live, used or not; `overrides` win over the table above."""
    return {**TTL_S, **(overrides or {})}.get(collection, DEFAULT_TTL_S)


LEAST_RETRIEVAL_TTL_S = 60
_REUSES = 4
"""Uses that come at random leave a gap of four mean intervals once in fifty times."""


def retrieval_ttl_s(collection: CollectionName, rhythm: Rhythm) -> int:
    """Seconds a retrieval is worth keeping: several times as long as it usually takes until it is asked for
    again, but no longer than the collection usually stays as it is, since a change makes all its entries
    useless. Between a minute and what the collection's segments get, which is also what an unknown rhythm
    is given.
    """
    most_s = segment_ttl_s(collection)
    wanted_s = float(most_s) if rhythm.reuse_s is None else _REUSES * rhythm.reuse_s
    useful_s = wanted_s if rhythm.update_s is None else min(wanted_s, rhythm.update_s)
    return math.ceil(min(max(useful_s, LEAST_RETRIEVAL_TTL_S), most_s))

"""How long entries stay in the shared store. They never go stale: this only bounds the space they take."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.core.ids import CollectionName

DEFAULT_TTL_S = 3600
TTL_S: Mapping[CollectionName, int] = {
    CollectionName("support_kb"): 3600,
    CollectionName("business_templates"): 3600,
    CollectionName("documentation"): 7200,
}


def segment_ttl_s(collection: CollectionName, overrides: Mapping[CollectionName, int] | None = None) -> int:
    """Seconds a collection's segments live, used or not; `overrides` win over the table above."""
    return {**TTL_S, **(overrides or {})}.get(collection, DEFAULT_TTL_S)

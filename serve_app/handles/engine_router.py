"""Which engine replica gets a call: those that the caller prefers, in its order, and then the others."""

from __future__ import annotations

import random
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class PreferenceRouter(RequestRouter):  # type: ignore[misc]  # Ray is not followed
    """Serve makes one in each calling process. A replica that is full is passed over."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Each rank has one replica: within a rank Serve would take the shortest queue."""
        if pending_request is None:
            return [candidate_replicas]
        # Without it Serve would ask a full deployment again and again without a pause.
        pending_request.routing_context.should_backoff = True
        preferred = _preferred(pending_request.args)
        if not preferred:
            return [candidate_replicas]
        place = {name: number for number, name in enumerate(preferred)}
        ranked = sorted(
            candidate_replicas,
            key=lambda replica: (place.get(replica.replica_id.unique_id, len(place)), random.random()),  # noqa: S311
        )
        return [[replica] for replica in ranked]


def _preferred(args: list[Any]) -> tuple[str, ...]:
    """Of a call with a GenerateRequest; other calls go anywhere."""
    return getattr(args[0], "replicas", ()) if args else ()

"""Which engine replica gets a call: those that the caller prefers, in its order, and then the others.

Those that it avoids get none while there are others, even if these are full: such a replica has failed.
"""

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
        preferred, avoided = _wishes(pending_request.args)
        candidates = [one for one in candidate_replicas if one.replica_id.unique_id not in avoided]
        candidates = candidates or candidate_replicas
        if not preferred:
            return [candidates]
        place = {name: number for number, name in enumerate(preferred)}
        ranked = sorted(
            candidates,
            key=lambda replica: (place.get(replica.replica_id.unique_id, len(place)), random.random()),  # noqa: S311
        )
        return [[replica] for replica in ranked]


def _wishes(args: list[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Preferred and avoided by a call with a GenerateRequest; other calls go anywhere."""
    request = args[0] if args else None
    return getattr(request, "replicas", ()), getattr(request, "avoid", ())

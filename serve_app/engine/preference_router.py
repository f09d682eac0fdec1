"""Gives a call to a replica: those that the caller prefers, in its order, then the others.

The preference was chosen before, with the order of the documents (`core.reuse.placing`).

A replica that the caller avoids, because it has failed, gets no call while others run, even if those are
full.
"""

from __future__ import annotations

import random
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class PreferenceRouter(RequestRouter):  # type: ignore[misc]  # Ray is not followed
    """Serve makes one in each calling process, and skips full replicas."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Ranks of one replica each, best first: within a rank, Serve takes the shortest queue.

        A call without preferences gets all candidates in one rank.
        """
        if pending_request is None:
            return [candidate_replicas]
        # Without this, Serve asks the replicas of a full deployment again without a pause.
        pending_request.routing_context.should_backoff = True
        preferred, avoided = _preferences(pending_request.args)
        candidates = [
            replica for replica in candidate_replicas if replica.replica_id.unique_id not in avoided
        ]
        candidates = candidates or candidate_replicas
        if not preferred:
            return [candidates]
        position = {name: number for number, name in enumerate(preferred)}
        ranked = sorted(
            candidates,
            key=lambda replica: (position.get(replica.replica_id.unique_id, len(position)), random.random()),  # noqa: S311
        )
        return [[replica] for replica in ranked]


def _preferences(args: list[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The preferred and the avoided replicas of a call with a GenerateRequest; none for other calls."""
    request = args[0] if args else None
    return getattr(request, "replicas", ()), getattr(request, "avoid", ())

"""The names by which request routers, and the other replicas, know this process's replica."""

from __future__ import annotations

from ray import serve


def replica_rank() -> int:
    """This replica's number among those of its deployment, from 0 on. Serve can change it while others start
    and stop. Raises RayServeException outside of replicas.
    """
    return int(serve.get_replica_context().rank.rank)


def replica_name() -> str:
    """The id of this process's replica. Raises RayServeException outside of replicas."""
    return str(serve.get_replica_context().replica_id.unique_id)

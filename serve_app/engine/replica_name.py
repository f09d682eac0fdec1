"""The name by which request routers know this process's replica."""

from __future__ import annotations

from ray import serve


def replica_name() -> str:
    """The id of this process's replica. Raises RayServeException outside of replicas."""
    return str(serve.get_replica_context().replica_id.unique_id)

"""Who this process is to those that route requests."""

from __future__ import annotations

from ray import serve


def replica_name() -> str:
    """The id of this process's replica, as a request router sees it. Raises outside of a replica."""
    return str(serve.get_replica_context().replica_id.unique_id)

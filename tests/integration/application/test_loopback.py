"""No other machine and no other user can connect to a port or socket of the application."""

from __future__ import annotations

from tests.integration.application.running import Application
from tests.listeners import listening_sockets


def test_every_port_and_socket_is_on_loopback_or_private(application: Application) -> None:
    """Ray, HAProxy, Serve's proxy and replicas, vLLM's processes, and the embedded Redis server."""
    listeners = listening_sockets(application.process.pid, application.pids(""))
    kinds = {listener.command.partition("-")[0] for listener in listeners}
    assert {"gcs_server", "raylet", "ray::ProxyActor", "ray::ServeRepli", "haproxy", "valkey"} <= kinds
    assert any(kind.startswith("VLLM::") for kind in kinds)
    assert [listener for listener in listeners if not listener.is_private] == []

"""Binds the gRPC servers of Serve's replicas to loopback, if Ray runs on this machine only.

Ray workers import this module when they start. Each replica opens a gRPC server for calls from other
replicas; it unpickles what any client sends, and Serve binds it to all interfaces.
"""

from __future__ import annotations

from typing import Any

from ray._common import tls_utils

_bind = tls_utils.add_port_to_grpc_server


def _bind_to_loopback(server: Any, address: str) -> Any:
    return _bind(server, address.replace("[::]", "127.0.0.1").replace("0.0.0.0", "127.0.0.1"))  # noqa: S104


tls_utils.add_port_to_grpc_server = _bind_to_loopback

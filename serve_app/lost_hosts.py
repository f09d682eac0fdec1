"""Makes calls between replicas fail within seconds after the other replica's host is lost.

A host that loses power or network closes no connection, and by default gRPC waits for its answer for seven
minutes. Ray workers of a cluster import this module when they start: then a caller pings a host whose answer
it waits for, and replicas accept that many pings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray._private import grpc_utils

PING_EVERY_MS, PONG_WITHIN_MS = 5_000, 5_000
CALLER = (
    ("grpc.keepalive_time_ms", PING_EVERY_MS),
    ("grpc.keepalive_timeout_ms", PONG_WITHIN_MS),
    ("grpc.http2.ping_timeout_ms", PONG_WITHIN_MS),  # of pings in general; a minute by default
    ("grpc.http2.max_pings_without_data", 0),  # no limit
    ("grpc.min_reconnect_backoff_ms", PONG_WITHIN_MS),  # also how long an attempt to connect takes
)
REPLICA = (
    ("grpc.http2.min_ping_interval_without_data_ms", PING_EVERY_MS // 2),
    ("grpc.http2.max_ping_strikes", 0),  # no limit: pings can arrive together after a pause
)

_Options = Sequence[tuple[str, Any]]


def _adding(added: _Options, make: Callable[..., Any]) -> Callable[..., Any]:
    """`make` with further options, in processes that use asyncio: of Serve's, the callers and replicas."""

    def made(
        *arguments: Any, options: _Options | None = None, asynchronous: bool = False, **named: Any
    ) -> Any:
        more = added if asynchronous else ()
        return make(*arguments, options=[*(options or ()), *more], asynchronous=asynchronous, **named)

    return made


grpc_utils.init_grpc_channel = _adding(CALLER, grpc_utils.init_grpc_channel)
grpc_utils.create_grpc_server_with_interceptors = _adding(
    REPLICA, grpc_utils.create_grpc_server_with_interceptors
)

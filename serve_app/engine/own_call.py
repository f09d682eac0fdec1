"""Lets several calls of a custom router's deployment be made at once from inside one request.

Ray 2.60 gives all of them the internal id of the request that they are made from, by which its routers find
the call they have found a replica for: all but one would wait for ever. So each gets an id of its own. The
context variable is private to Ray; a test fails when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ray.serve import context
from ray.serve._private.utils import generate_request_id


@contextmanager
def own_call() -> Iterator[None]:
    """Calls made inside have an id of their own. Serve does not cancel them with the request: callers do."""
    present = context._get_serve_request_context()
    named = replace(present, _internal_request_id=generate_request_id())
    token = context._serve_request_context.set(named)
    try:
        yield
    finally:
        context._serve_request_context.reset(token)

"""Lets one request make several concurrent calls to a deployment that has a custom router.

Ray 2.60 gives each call the internal id of the request that makes it. Its router finds the call that
waits for a chosen replica by this id, so of several calls with one id all but one would wait for ever.
Here each call gets its own id. The context variable is private to Ray; a test fails when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ray.serve import context
from ray.serve._private.utils import generate_request_id


def serve_request_id() -> str:
    """The id that Serve's logs have for the request that this process works on; "" outside of one."""
    return str(context._get_serve_request_context().request_id)


@contextmanager
def own_call() -> Iterator[None]:
    """Gives the call made inside the block its own id.

    So Serve does not cancel the call when the request is cancelled; the caller has to.
    """
    present = context._get_serve_request_context()
    named = replace(present, _internal_request_id=generate_request_id())
    token = context._serve_request_context.set(named)
    try:
        yield
    finally:
        context._serve_request_context.reset(token)

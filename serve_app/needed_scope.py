"""Which scope of an API key a request needs."""

from __future__ import annotations

from deployments.core.access import KeyScope

_ADMIN_FOLDERS = ("/v1/keys", "/v1/audit", "/v1/usage")
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ASKING_PATHS = frozenset(
    {
        "/v1/support/answer",
        "/v1/support/tickets/images",
        "/v1/business/templates/recall",
        "/v1/documentation/lookup",
        "/v1/cache/tokens",
        "/v1/cache/generate",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/conversations",
    }
)
"""Paths whose POST changes nothing that is stored, but for the caller's own conversations. Other methods do:
a document can have the id `lookup`."""


def needed_scope(method: str, path: str) -> KeyScope:
    """The scope that a request to a path that is not public needs.

    A route that this module does not know needs `write`, or `ask` if its method only reads.
    """
    if any(path == folder or path.startswith(f"{folder}/") for folder in _ADMIN_FOLDERS):
        return KeyScope.ADMIN
    asks = method in _READING_METHODS or (method == "POST" and path in _ASKING_PATHS)
    return KeyScope.ASK if asks else KeyScope.WRITE

"""What requests to paths that are not public need: a scope of the API key, and quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deployments.core.access import KeyScope
from deployments.core.quotas import COMPLETION_TOKENS, PROMPT_TOKENS, Quota
from serve_app.body_limits import takes_file

_ADMIN_FOLDERS = ("/v1/keys", "/v1/audit", "/v1/usage", "/v1/erasures")
_METRICS_PATH = "/metrics"
"""Uses no quota: the operator has to see the metrics also while a tenant has used up its quotas."""
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Needs(NamedTuple):
    scope: KeyScope
    quotas: Mapping[Quota, int]
    """Besides those of requests. Tokens are 0: they are counted when they have been computed."""


_NOTHING: Mapping[Quota, int] = {}
_ANSWER: Mapping[Quota, int] = dict.fromkeys((*PROMPT_TOKENS, *COMPLETION_TOKENS), 0)
_WARMING: Mapping[Quota, int] = {Quota.WARM_UP_TOKENS_PER_DAY: 0}
_POSTS: Mapping[str, _Needs] = {
    "/v1/support/answer": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/business/templates/recall": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/documentation/lookup": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/cache/generate": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/chat/completions": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/responses": _Needs(KeyScope.ASK, _ANSWER),
    "/v1/conversations": _Needs(KeyScope.ASK, _NOTHING),
    "/v1/cache/tokens": _Needs(KeyScope.ASK, _NOTHING),
    "/v1/support/tickets/images": _Needs(KeyScope.ASK, _NOTHING),
    "/v1/documentation/generate": _Needs(KeyScope.WRITE, _ANSWER),
    "/v1/business/ideas": _Needs(KeyScope.WRITE, _ANSWER),
    "/v1/business/ideas/batch": _Needs(KeyScope.WRITE, _ANSWER),
    "/v1/cache/warm": _Needs(KeyScope.WRITE, _WARMING),
}
"""Paths whose POST asks the model, or changes nothing that is stored but the caller's own conversations.
Other methods do: a document can have the id `lookup`."""
_OTHER = _Needs(KeyScope.WRITE, _NOTHING)


def needed_scope(method: str, path: str) -> KeyScope:
    """The scope that a request needs.

    A route that this module does not know needs `write`, or `ask` if its method only reads.
    """
    if any(path == folder or path.startswith(f"{folder}/") for folder in _ADMIN_FOLDERS):
        return KeyScope.ADMIN
    return KeyScope.ASK if method in _READING_METHODS else _needs(method, path).scope


def claimed_quotas(method: str, path: str) -> Mapping[Quota, int]:
    """What a request uses of each quota that it needs."""
    if path == _METRICS_PATH:
        return {}
    claimed = {Quota.REQUESTS_IN_FLIGHT: 1, Quota.REQUESTS_PER_MINUTE: 1}
    if takes_file(method, path):
        claimed[Quota.UPLOADS_IN_FLIGHT] = 1
    return {**claimed, **_needs(method, path).quotas}


def _needs(method: str, path: str) -> _Needs:
    return _POSTS.get(path, _OTHER) if method == "POST" else _OTHER

"""Which quotas a request needs."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.core.quotas import COMPLETION_TOKENS, PROMPT_TOKENS, Quota
from serve_app.body_limits import takes_file

_GENERATING_PATHS = frozenset(
    {
        "/v1/support/answer",
        "/v1/documentation/lookup",
        "/v1/documentation/generate",
        "/v1/business/ideas",
        "/v1/business/ideas/batch",
        "/v1/cache/generate",
        "/v1/chat/completions",
    }
)
"""Paths whose POST asks the model."""
_WARMING_PATH = "/v1/cache/warm"
_METRICS_PATH = "/metrics"
"""Uses no quota: the operator has to see the metrics also while a tenant has used up its quotas."""
_TOKENS = dict.fromkeys((*PROMPT_TOKENS, *COMPLETION_TOKENS), 0)


def claimed_quotas(method: str, path: str) -> Mapping[Quota, int]:
    """What a request to a path that is not public uses of each quota that it needs.

    Tokens are 0: they are counted when they have been computed.
    """
    if path == _METRICS_PATH:
        return {}
    claimed = {Quota.REQUESTS_IN_FLIGHT: 1, Quota.REQUESTS_PER_MINUTE: 1}
    if takes_file(method, path):
        claimed[Quota.UPLOADS_IN_FLIGHT] = 1
    elif method == "POST" and path in _GENERATING_PATHS:
        claimed |= _TOKENS
    elif method == "POST" and path == _WARMING_PATH:
        claimed[Quota.WARM_UP_TOKENS_PER_DAY] = 0
    return claimed

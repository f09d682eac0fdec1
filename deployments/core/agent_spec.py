"""What makes an agent this agent. The rows are in `agents.specs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.ids import CollectionName

OTHER_TTL_S = 3600
"""For segments of collections that no agent answers from."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """Figures and wording of one agent. A change of wording is a change of every prompt."""

    name: str
    """In settings, paths and messages, and the model's name in the OpenAI-compatible API."""
    deployment: str
    """Name of its Serve deployment."""
    collection: CollectionName
    """The documents it answers from. The samples in the folder of this name are loaded into it."""
    ttl_s: int
    """Seconds that its segments stay in the shared cache, used or not."""
    max_context_tokens: int
    """Of the documents in a prompt, together."""
    temperature: float
    """Of an answer, where the caller does not say."""
    max_tokens: int
    """Of an answer, where the caller does not say."""
    preamble: str
    """Opens each prompt, before the documents."""
    no_context: str
    """The answer where nothing was found to answer from."""
    reminder: str = ""
    """Follows the documents in each prompt: a small model has forgotten the preamble by then."""
    doubt: str = ""
    """Follows the reminder where no document is as similar to the question (cosine) as `sure_from`."""
    sure_from: float = 0.4
    """Cosine, -1 to 1."""
    sections: tuple[str, ...] = ()
    """Those that a question can be confined to; () allows any."""


def segment_ttl_s(agents: Sequence[AgentSpec], collection: CollectionName) -> int:
    """Seconds that a collection's segments stay in the shared cache. This only bounds the space they take:
    segments never go stale.
    """
    return next((agent.ttl_s for agent in agents if agent.collection == collection), OTHER_TTL_S)

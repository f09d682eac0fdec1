"""The definition of an agent. `agents.specs` has one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.ids import CollectionName

OTHER_TTL_S = 3600
"""TTL of the segments of collections that no agent answers from."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """Name, limits and wording of one agent. A new wording changes every prompt of the agent."""

    name: str
    """Used in settings, paths and messages, and as the model's name in the OpenAI-compatible API."""
    deployment: str
    """Name of its Serve deployment."""
    collection: CollectionName
    """The documents it answers from. The samples in the folder of this name are loaded into it."""
    ttl_s: int
    """TTL of its segments in the shared cache; use does not prolong it."""
    max_context_tokens: int
    """Most tokens that all documents in a prompt have together."""
    temperature: float
    """Default for an answer."""
    max_tokens: int
    """Default for an answer."""
    preamble: str
    """Opens each prompt, before the documents."""
    no_context: str
    """The answer when retrieval found nothing."""
    reminder: str = ""
    """Follows the documents in each prompt, because a small model has forgotten the preamble by then."""
    doubt: str = ""
    """Follows the reminder when no document reaches the similarity `sure_from`."""
    sure_from: float = 0.4
    """Cosine of question and document, -1 to 1."""
    further_passages: int = 3
    """Most passages that a prompt has in addition to those asked for, from documents that it has already."""
    sections: tuple[str, ...] = ()
    """The sections that a question can be limited to; () allows any."""


def segment_ttl_s(agents: Sequence[AgentSpec], collection: CollectionName) -> int:
    """TTL of a collection's segments in the shared cache, in seconds.

    It only bounds the space that they take. Segments never go stale: their key covers their text.
    """
    return next((agent.ttl_s for agent in agents if agent.collection == collection), OTHER_TTL_S)

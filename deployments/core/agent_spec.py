"""What makes an agent this agent. The rows are in `agents.specs`."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.ids import CollectionName


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """Figures and wording of one agent. A change of wording is a change of every prompt."""

    name: str
    collection: CollectionName
    ttl_s: int
    max_context_tokens: int
    """Of the documents in a prompt, together."""
    temperature: float
    max_tokens: int
    """Of an answer, where the caller does not say."""
    preamble: str
    """Opens each prompt, before the documents."""
    no_context: str
    """The answer where nothing was found to answer from."""
    reminder: str = ""
    """Follows the documents in each prompt: a small model has forgotten the preamble by then."""
    doubt: str = ""
    """Follows it where the similarity (cosine) of no document to the question reaches `sure_from`."""
    sure_from: float = 0.4
    sections: tuple[str, ...] = ()
    """Those that a question can be confined to; () allows any."""

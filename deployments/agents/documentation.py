"""The documentation agent."""

from __future__ import annotations

from deployments.agents.cached_agent import CachedAgent


class DocumentationService(CachedAgent):
    """Looks documentation up, and writes and updates it."""

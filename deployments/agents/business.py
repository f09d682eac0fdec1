"""The business generation agent."""

from __future__ import annotations

from deployments.agents.cached_agent import CachedAgent


class BusinessService(CachedAgent):
    """Recalls business templates and generates ideas from them."""

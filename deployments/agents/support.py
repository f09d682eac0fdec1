"""The support agent."""

from __future__ import annotations

from deployments.agents.cached_agent import CachedAgent
from deployments.core.ledger import Answer
from deployments.core.messages import Ask


class SupportService(CachedAgent):
    """Answers customers' questions from the support knowledge base."""

    async def answer_support_query_cached(self, ask: Ask) -> Answer:
        """The seed's name of `answer`."""
        return await self.answer(ask)

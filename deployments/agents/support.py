"""The support agent."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.agent_spec import AgentSpec
from deployments.core.ports import Rag
from deployments.core.ticket_image import TicketImage


class SupportService(CachedAgent):
    """Answers customers' questions from the support knowledge base, and reads images that they send.

    Implements `Agent` and `TicketImages`.
    """

    def __init__(self, spec: AgentSpec, rag: Rag, images: TicketImageReader) -> None:
        super().__init__(spec, rag)
        self._images = images

    async def process_ticket_image(
        self, image: bytes, media_type: str | None = None, expected_issues: Sequence[str] | None = None
    ) -> TicketImage:
        """The text in an image, and which of the expected issues it mentions.

        `media_type` is the declared one; None if none was declared. Raises what
        `TicketImageReader.process` raises.
        """
        return await self._images.process(image, media_type, expected_issues)

"""Counts what the engine computes for a prompt, also when its stream is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from deployments.core.messages import Delta
from deployments.core.token_ids import count_in
from deployments.core.usage import Amounts


class EngineUsage:
    """What one call to the engine has used so far. `prompt_tokens` is the length of its prompt."""

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._begun = False
        self._shared = False
        self.amounts = Amounts()

    async def counted(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """Yields `deltas`, and counts them.

        A caller that leaves before the first delta has had its whole prompt computed, as far as anybody
        here knows. Of a call that fails before, nothing counts.
        """
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    self._add(delta)
                    yield delta
        except (GeneratorExit, asyncio.CancelledError):
            if not self._begun:
                self.amounts = Amounts(1, self._prompt_tokens, 0, 0)
            raise

    def _add(self, delta: Delta) -> None:
        if not self._begun:
            self._begun, self._shared = True, delta.shared is not None
            self.amounts += Amounts(1) if self._shared else Amounts(1, self._prompt_tokens)
        if not self._shared:
            reused = delta.kv_cached_tokens or 0  # of a remote server, in the last delta
            self.amounts += Amounts(0, -reused, reused, count_in(delta.ids))

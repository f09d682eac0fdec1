"""The first generation pays for the kernels' set-up, so a replica makes one before it says it is ready."""

from __future__ import annotations

import secrets
from contextlib import aclosing

from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest, Sampling
from deployments.core.ports import Generator
from deployments.core.token_ids import to_bytes, token_ids

PROMPT_TOKENS = 64
DEADLINE_S = 300.0


async def warm_up(engine: Generator) -> None:
    """Prefills a small prompt and decodes two tokens, under a salt that nobody else will ever have.

    Raises: EngineUnavailable, DeadlineExceeded.
    """
    request = GenerateRequest(
        request_id=RequestId("warm-up"),
        prompt=to_bytes(token_ids(range(PROMPT_TOKENS))),
        sampling=Sampling(max_tokens=2, temperature=0.0),
        cache_salt=secrets.token_hex(32),
        deadline_s=DEADLINE_S,
    )
    async with aclosing(engine.generate(request)) as deltas:
        async for _ in deltas:
            pass

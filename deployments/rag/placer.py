"""An agent's decision on order and replica, from its view of the engines."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from deployments.core.reuse.ordering import Candidate, OrderPolicy
from deployments.core.reuse.paths import SegmentId
from deployments.core.reuse.placing import BestAt, Placing, place
from deployments.rag.engine_views import EngineViews

FOLLOWING = "trie"
BEST_AT: Mapping[str, BestAt | None] = {FOLLOWING: None, "best_first": "first", "best_last": "last"}
"""Policies that follow what is resident, and where they put the most relevant document."""


class Placer:
    """Orders by the policy of that name, and decides on the replica."""

    def __init__(
        self, name: str, order: OrderPolicy, views: EngineViews, rng: random.Random | None = None
    ) -> None:
        self.name = name
        self.views = views
        self._order = order
        self._rng = rng or random.Random()  # noqa: S311 (ties are no secret)

    async def place(
        self, salt: str, head: SegmentId, candidates: Sequence[Candidate], prompt_tokens: int
    ) -> Placing:
        """See `core.reuse.placing.place`. `salt` is the tenant's."""
        states = await self.views.states(salt)
        return place(
            candidates,
            head,
            prompt_tokens,
            states,
            order=self._order,
            follow=self.name in BEST_AT,
            best=BEST_AT.get(self.name),
            rng=self._rng,
        )

"""An agent's decision on order and replica, from its view of the engines."""

from __future__ import annotations

import random
from collections.abc import Sequence

from deployments.core.reuse.ordering import Candidate, OrderPolicy
from deployments.core.reuse.paths import SegmentId
from deployments.core.reuse.placing import Placing, place
from deployments.rag.engine_views import EngineViews

FOLLOWING = "trie"
BEST_LAST = "best_last"


class Placer:
    """Orders by a policy of that name; "trie" follows what is resident, "best_last" with the best behind."""

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
            follow=self.name in {FOLLOWING, BEST_LAST},
            best_last=self.name == BEST_LAST,
            rng=self._rng,
        )

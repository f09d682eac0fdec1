"""An agent's decision on order and replica, from its view of the engines."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

from deployments.core.reuse.misses import Absence, foresee
from deployments.core.reuse.ordering import Candidate, Order
from deployments.core.reuse.paths import SegmentId
from deployments.core.reuse.placing import Placing, place
from deployments.rag.engine_views import EngineViews


class Placer:
    """Decides by one order. `views` are the replicas as the agent knows them."""

    def __init__(self, order: Order, views: EngineViews, rng: random.Random | None = None) -> None:
        self.views = views
        self._order = order
        self._rng = rng or random.Random()  # noqa: S311 (ties are no secret)

    @property
    def name(self) -> str:
        """The order's name."""
        return self._order.name

    async def place(
        self,
        salt: str,
        head: SegmentId,
        candidates: Sequence[Candidate],
        prompt_tokens: int,
        begin: Sequence[SegmentId] = (),
    ) -> Placing:
        """Orders the documents of one question and ranks the replicas; arguments as of `placing.place`.

        `salt` is the tenant's cache salt.
        """
        states = await self.views.states(salt)
        return place(candidates, head, prompt_tokens, states, order=self._order, rng=self._rng, begin=begin)

    def foresee(
        self, salt: str, placing: Placing, path: Sequence[SegmentId], changed: Callable[[int], bool | None]
    ) -> tuple[Absence | None, ...]:
        """Why each document of a placed prompt is expected to be absent; arguments as of `misses.foresee`."""
        views = self.views.ranked(salt, placing.replicas)
        ago_s = partial(self.views.departed.ago_s, salt)
        return foresee(path, placing.resident, views, ago_s, changed)

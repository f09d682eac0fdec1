"""What an agent's process knows of the engine's replicas: their caches, tenant by tenant, and their load.

Each answer brings what changed in the replica that gave it. What changed elsewhere is asked for beside the
retrieval of a question, at most every few seconds, so that nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployments.core.detached_task import detached_task
from deployments.core.errors import WarmlineError
from deployments.core.ports import ResidencySource
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.reuse.placing import ReplicaState
from deployments.core.reuse.replica_view import ReplicaView

log = logging.getLogger(__name__)

MAX_TENANTS = 256
"""Tenants whose views are kept; the one that asked longest ago goes first."""
SURVEY_EVERY_S = 2.0
"""How old the view of a tenant may grow while it asks."""
FIRST_SURVEY_WAIT_S = 0.02
"""What the first question of a tenant may wait for its first view, beyond its retrieval."""
AVOIDED_S = 10.0
"""How long a replica whose engine failed is kept out: it lives on for about 6 s until Serve replaces it."""
MISSED_AFTER_S = 30.0
"""How long a replica may say nothing, where some are too busy to, before it counts as gone."""
LOAD_HOLDS_S = 6.0
"""How long a replica's word on its load is believed: until a survey brings the next, late as it may be."""


@dataclass(slots=True)
class _Tenant:
    views: dict[str, ReplicaView] = field(default_factory=dict)
    surveyed_at_s: float | None = None
    survey: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Load:
    """Tokens to prefill: others' at the replica's last word, and those sent from here since."""

    others: int = 0
    said_at_s: float = float("-inf")
    own: int = 0


class EngineViews:
    """Of one process. `clock` gives monotonic seconds. Belongs to one event loop."""

    def __init__(self, source: ResidencySource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._loads: dict[str, _Load] = {}
        self._avoided_until_s: dict[str, float] = {}

    def refresh(self, salt: str) -> None:
        """Starts to ask the replicas about a tenant, where what is known has grown old."""
        tenant = self._tenant(salt)
        age_s = float("inf") if tenant.surveyed_at_s is None else self._clock() - tenant.surveyed_at_s
        if age_s >= SURVEY_EVERY_S and (tenant.survey is None or tenant.survey.done()):
            tenant.survey = detached_task(self._survey(salt, tenant))

    async def states(self, salt: str) -> list[ReplicaState]:
        """The replicas as they are known now."""
        tenant = self._tenant(salt)
        if tenant.surveyed_at_s is None and tenant.survey is not None:
            await asyncio.wait([tenant.survey], timeout=FIRST_SURVEY_WAIT_S)
        avoided = self.avoided()
        return [
            ReplicaState(view, self._pending(name))
            for name, view in tenant.views.items()
            if name not in avoided
        ]

    def known(self, salt: str) -> tuple[Known, ...]:
        """How far each replica's cache is known."""
        return tuple(view.known for view in self._tenant(salt).views.values())

    def apply(self, salt: str, update: ResidencyUpdate) -> None:
        """Takes a replica's word."""
        views = self._tenant(salt).views
        views.setdefault(update.replica, ReplicaView(update.replica)).apply(update)
        self.loaded(update.replica, update.pending_tokens)

    def loaded(self, replica: str, pending_tokens: int) -> None:
        """Takes a replica's word on what waits there to be prefilled."""
        load = self._loads.setdefault(replica, _Load())
        load.others = max(pending_tokens - load.own, 0)
        load.said_at_s = self._clock()

    def avoided(self) -> tuple[str, ...]:
        """The replicas that are kept out now."""
        now_s = self._clock()
        self._avoided_until_s = {
            name: until_s for name, until_s in self._avoided_until_s.items() if until_s > now_s
        }
        return tuple(self._avoided_until_s)

    def avoid(self, replica: str) -> None:
        """A replica's engine has failed: it is kept out, though a survey under way may still tell of it."""
        self.forget(replica)
        self._avoided_until_s[replica] = self._clock() + AVOIDED_S

    def forget(self, replica: str) -> None:
        """A replica seems to have failed a call: others are preferred until it is heard of again."""
        self._loads.pop(replica, None)
        for tenant in self._tenants.values():
            tenant.views.pop(replica, None)
            tenant.surveyed_at_s = None

    @contextmanager
    def sending(self, replica: str | None, tokens: int) -> Iterator[Callable[[], None]]:
        """Counts tokens as on their way to a replica, until the block ends or what it is given is called."""
        load = self._loads.setdefault(replica, _Load()) if replica is not None else _Load()
        load.own += tokens
        waiting = True

        def arrived() -> None:
            nonlocal waiting
            if waiting:
                load.own -= tokens
            waiting = False

        try:
            yield arrived
        finally:
            arrived()

    def _pending(self, replica: str) -> int:
        load = self._loads.get(replica, _Load())
        return load.own + (load.others if self._said_s_ago(replica) <= LOAD_HOLDS_S else 0)

    def _said_s_ago(self, replica: str) -> float:
        return self._clock() - self._loads.get(replica, _Load()).said_at_s

    def _tenant(self, salt: str) -> _Tenant:
        tenant = self._tenants.setdefault(salt, _Tenant())
        self._tenants.move_to_end(salt)
        while len(self._tenants) > MAX_TENANTS:
            self._tenants.popitem(last=False)
        return tenant

    async def _survey(self, salt: str, tenant: _Tenant) -> None:
        try:
            updates = await self._source.survey(salt, self.known(salt))
        except WarmlineError as error:
            log.debug("the engine's replicas can't be asked now: %s", error)
            return
        told = [update for update in updates if update is not None]
        silent_for_s = MISSED_AFTER_S if len(told) < len(updates) else 0.0
        for name in tenant.views.keys() - {update.replica for update in told}:
            if self._said_s_ago(name) >= silent_for_s:
                del tenant.views[name]
        for update in told:
            self.apply(salt, update)
        tenant.surveyed_at_s = self._clock()

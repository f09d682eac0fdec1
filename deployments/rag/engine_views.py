"""What an agent's process knows of the engine's replicas: their caches, per tenant, and their load.

Each answer reports what changed in the replica that gave it. A survey asks all replicas for the changes
in the others, for all tenants that have asked lately and whose views are old. It runs during the retrieval
of questions, so that no question waits for it. Surveys pause after each other, the longer the more replicas
there are, so that a process makes at most `SURVEY_CALLS_PER_S` calls for them, however many tenants ask.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice

from deployments.core.detached_task import detached_task
from deployments.core.errors import WarmlineError
from deployments.core.ports import ResidencySource
from deployments.core.reuse.misses import Departed
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.reuse.placing import ReplicaState
from deployments.core.reuse.replica_view import ReplicaView

log = logging.getLogger(__name__)

MAX_TENANTS = 10_000
"""Tenants whose views are kept; the least recently used is dropped first."""
MAX_PATHS = 200_000
"""Paths in all views, 60 to 120 MB. Beyond it, the least recently used tenant's views are dropped. Its next
question brings them back by a survey. Each view counts as one more path: with many replicas, most views of a
tenant are empty, and take memory."""
SURVEYED_AT_ONCE = 64
"""Tenants of one survey, which bounds what a call carries."""
SURVEY_CALLS_PER_S = 200
"""Calls to replicas that one process makes for surveys."""
SURVEY_EVERY_S = 2.0
"""A tenant that asks questions is surveyed again when its views are this old."""
FIRST_SURVEY_WAIT_S = 0.02
"""How long a tenant's first question waits, after its retrieval, for the tenant's first views."""
AVOIDED_S = 10.0
"""How long a replica whose engine failed gets no calls: Serve takes about 6 s to replace it."""
GONE_AFTER_S = 30.0
"""How long a replica may be silent before it counts as gone, while some are too busy to report."""
LOAD_VALID_S = 6.0
"""How long a reported load is used: long enough for even a late survey to bring the next report."""


@dataclass(slots=True)
class _Tenant:
    views: dict[str, ReplicaView] = field(default_factory=dict)
    """By replica."""
    surveyed_at_s: float | None = None
    """When the last survey succeeded; None where the next one is due at once."""
    surveyed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first survey has succeeded."""

    @property
    def paths(self) -> int:
        """Paths in all views, and one for each view."""
        return len(self.views) + sum(map(len, self.views.values()))


@dataclass(slots=True)
class _Load:
    """Tokens that wait in one replica to be prefilled."""

    others: int = 0
    """Sent by other processes, according to the replica's last report."""
    reported_at_s: float = float("-inf")
    """When the replica last reported."""
    own: int = 0
    """Sent by this process, and not answered yet."""


class EngineViews:
    """The views of one process. Belongs to one event loop."""

    def __init__(
        self,
        source: ResidencySource,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` gives monotonic seconds; `sleep` waits for so many of them."""
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self.departed = Departed(clock)
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._paths = 0
        self._due: dict[str, _Tenant] = {}
        self._surveying: asyncio.Task[None] | None = None
        self._next_survey_s = float("-inf")
        self._loads: dict[str, _Load] = {}
        self._avoided_until_s: dict[str, float] = {}

    def refresh(self, salt: str) -> None:
        """Has a tenant surveyed if its views are older than `SURVEY_EVERY_S`. Does not wait."""
        tenant = self._tenant(salt)
        age_s = float("inf") if tenant.surveyed_at_s is None else self._clock() - tenant.surveyed_at_s
        if age_s >= SURVEY_EVERY_S:
            self._due[salt] = tenant
            if self._surveying is None or self._surveying.done():
                self._surveying = detached_task(self._survey_due())

    async def states(self, salt: str) -> list[ReplicaState]:
        """The replicas as this process knows them now, without those to avoid."""
        tenant = self._tenant(salt)
        if tenant.surveyed_at_s is None and self._surveying is not None and not self._surveying.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SURVEY_WAIT_S):
                    await tenant.surveyed.wait()
        avoided = self.avoided()
        return [
            ReplicaState(view, self._pending(name))
            for name, view in tenant.views.items()
            if name not in avoided
        ]

    def ranked(self, salt: str, replicas: Sequence[str]) -> list[ReplicaView]:
        """A tenant's views of some replicas, in their order. Those that are gone are left out."""
        views = self._tenant(salt).views
        return [views[name] for name in replicas if name in views]

    def known(self, salt: str, replicas: Sequence[str] | None = None) -> tuple[Known, ...]:
        """For each replica, or only some, up to which version this process knows its cache for a tenant.

        Leaves out replicas that hold nothing for the tenant. All that they hold by now is new, and of many
        replicas they are most.
        """
        views = self._tenant(salt).views
        names = views if replicas is None else [name for name in replicas if name in views]
        return tuple(views[name].known for name in names if len(views[name]))

    def apply(self, salt: str, update: ResidencyUpdate) -> None:
        """Applies a replica's report about a tenant."""
        views = self._tenant(salt).views
        before = len(views[update.replica]) + 1 if update.replica in views else 0
        view = views.setdefault(update.replica, ReplicaView(update.replica))
        self.departed.add(salt, view.apply(update))
        self._paths += len(view) + 1 - before
        self.record_load(update.replica, update.pending_tokens)
        while self._paths > MAX_PATHS and len(self._tenants) > 1:
            self._drop_oldest()

    def record_load(self, replica: str, pending_tokens: int) -> None:
        """Records a replica's report of how many tokens wait there to be prefilled."""
        load = self._loads.setdefault(replica, _Load())
        load.others = max(pending_tokens - load.own, 0)
        load.reported_at_s = self._clock()

    def avoided(self) -> tuple[str, ...]:
        """The replicas that get no calls now."""
        now_s = self._clock()
        self._avoided_until_s = {
            name: until_s for name, until_s in self._avoided_until_s.items() if until_s > now_s
        }
        return tuple(self._avoided_until_s)

    def avoid(self, replica: str) -> None:
        """Excludes a replica whose engine failed, even if a survey under way still reports it."""
        self.forget(replica)
        self._avoided_until_s[replica] = self._clock() + AVOIDED_S

    def forget(self, replica: str) -> None:
        """Drops what is known of a replica that probably failed a call, until its next report."""
        self._loads.pop(replica, None)
        for salt, tenant in self._tenants.items():
            self._paths -= self._drop(salt, tenant, replica)
            tenant.surveyed_at_s = None

    @contextmanager
    def sending(self, replica: str | None, tokens: int) -> Iterator[Callable[[], None]]:
        """Counts tokens as pending in a replica until the block ends or calls the yielded function."""
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
        return load.own + (load.others if self._silent_s(replica) <= LOAD_VALID_S else 0)

    def _silent_s(self, replica: str) -> float:
        return self._clock() - self._loads.get(replica, _Load()).reported_at_s

    def _tenant(self, salt: str) -> _Tenant:
        tenant = self._tenants.setdefault(salt, _Tenant())
        self._tenants.move_to_end(salt)
        while len(self._tenants) > MAX_TENANTS:
            self._drop_oldest()
        return tenant

    def _drop_oldest(self) -> None:
        _, tenant = self._tenants.popitem(last=False)
        self._paths -= tenant.paths

    def _drop(self, salt: str, tenant: _Tenant, replica: str) -> int:
        """Drops a tenant's view of a replica that is gone; returns what it counted in `paths`."""
        view = tenant.views.pop(replica, None)
        if view is None:
            return 0
        self.departed.add(salt, view.segments)
        return len(view) + 1

    async def _survey_due(self) -> None:
        """Surveys until no tenant is due."""
        while self._due:
            if (pause_s := self._next_survey_s - self._clock()) > 0:
                await self._sleep(pause_s)
            some = dict(islice(self._due.items(), SURVEYED_AT_ONCE))
            try:
                replicas = await self._survey(some)
            finally:  # a tenant whose survey fails must not keep others from theirs
                for salt in some:
                    self._due.pop(salt, None)
            self._next_survey_s = self._clock() + replicas / SURVEY_CALLS_PER_S

    async def _survey(self, tenants: Mapping[str, _Tenant]) -> int:
        """Asks all replicas about the tenants; returns how many replicas were asked."""
        known = {salt: self.known(salt) for salt in tenants}
        try:
            reports = await self._source.survey(known)
        except WarmlineError as error:
            log.debug("no survey of the engine's replicas: %s", error)
            return 1
        answers = [report for report in reports if report is not None]
        gone_after_s = GONE_AFTER_S if len(answers) < len(reports) else 0.0
        for salt, tenant in tenants.items():
            updates = [report[salt] for report in answers if salt in report]
            for name in tenant.views.keys() - {update.replica for update in updates}:
                if self._silent_s(name) >= gone_after_s:
                    dropped = self._drop(salt, tenant, name)
                    self._paths -= dropped if self._tenants.get(salt) is tenant else 0
            for update in updates:
                self.apply(salt, update)
            self._tenant(salt).surveyed_at_s = self._clock()
            tenant.surveyed.set()
        return max(len(reports), 1)

"""What a survey of all engine replicas costs: bytes on the network, and CPU time of both ends."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.reuse.residency import Residency
from deployments.rag.engine_views import SURVEY_CALLS_PER_S, SURVEYED_AT_ONCE, EngineViews
from serve_app.engine.packed_once import PackedOnce

_REPEATS = 5
_REPLICA = "replica0"
_CAPACITY_BLOCKS = 2**20
_BLOCK_TOKENS = 32


@dataclass(frozen=True, slots=True)
class SurveyCost:
    """Of one agent process that surveys without a pause, as with many active tenants."""

    call_bytes: int
    """What is sent to each replica."""
    reply_bytes: int
    """What each replica sends back, if little has changed."""
    replica_us: float
    """CPU time of a replica for one call."""
    agent_us: float
    """CPU time of the agent's process for each replica: to make its part of what is sent, to send, and to
    apply the reply."""

    @property
    def bytes_per_s(self) -> float:
        """Both ways, all replicas."""
        return SURVEY_CALLS_PER_S * (self.call_bytes + self.reply_bytes)

    @property
    def agent_cpu(self) -> float:
        """Share of a core of the agent's process."""
        return SURVEY_CALLS_PER_S * self.agent_us / 1e6


def survey_cost(views: EngineViews, salts: Sequence[str], replicas: int) -> SurveyCost:
    """Surveys the tenants with these salts, of which `views` knows something.

    Arguments and replies travel as pickles by value, as between replicas on the fast path.
    """
    residency = Residency(_REPLICA, "epoch", _BLOCK_TOKENS, _CAPACITY_BLOCKS, time.monotonic)
    started_s = time.thread_time()
    for _ in range(_REPEATS):
        known = PackedOnce({salt: views.known(salt) for salt in salts[:SURVEYED_AT_ONCE]})
    making_us = (time.thread_time() - started_s) * 1e6 / _REPEATS
    started_s = time.thread_time()
    for _ in range(_REPEATS):
        sent = pickle.dumps(known)
    sending_us = (time.thread_time() - started_s) * 1e6 / _REPEATS
    started_s = time.thread_time()
    for _ in range(_REPEATS):
        reply = pickle.dumps(_answered(residency, pickle.loads(sent)))
    replica_us = (time.thread_time() - started_s) * 1e6 / _REPEATS
    started_s = time.thread_time()
    for _ in range(_REPEATS):
        updates: Mapping[str, ResidencyUpdate] = pickle.loads(reply)
        for salt, update in updates.items():
            views.apply(salt, update)
    reading_us = (time.thread_time() - started_s) * 1e6 / _REPEATS
    agent_us = making_us / replicas + sending_us + reading_us
    return SurveyCost(len(sent), len(reply), replica_us, agent_us)


def _answered(residency: Residency, known: Mapping[str, Sequence[Known]]) -> dict[str, ResidencyUpdate]:
    """A replica's answer, as `ResidentEngine.survey` makes it for each tenant."""
    return {
        salt: residency.update_for(salt, next((one for one in of if one.replica == _REPLICA), None), 1000)
        for salt, of in known.items()
    }

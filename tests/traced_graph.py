"""Real services over fakes, each for a replica of its own: HTTP API, support agent, library, engine.

The agent searches the library and generates in the engine by remote calls.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from deployments.agents.specs import SUPPORT
from deployments.agents.support import SupportService
from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.ports import Retriever
from deployments.core.replica import Served, serving
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.services import Agent, EngineReplica
from deployments.core.token_ids import from_bytes
from deployments.engine.counters import EngineCounters
from deployments.engine.service import EngineService
from deployments.rag.answer_log import AnswerLog
from serve_app.engine.handle import EngineHandle
from serve_app.remote import client_of
from serve_app.tracing.answers import answer_span
from serve_app.tracing.generations import generation_spans
from serve_app.tracing.spans import stage
from tests.fake_records import image_reader
from tests.fakes import FakeClock, FakeEncoder, FakeGenerator, FakeRetriever, a_passage
from tests.unit.rag.rig import ANSWER, Rig
from tests.unit.serve_app.fake_services import Api

QUESTION = "How do I reset the zebra's password?"
TENANT = "acme-zoo"
STAGES = ["retrieve", "tokens", "assemble", "route", "assemble", "route"]
"""Those of the agent, in the order in which they run."""
ENGINE_STAGES = ["queue", "prefill", "decode"]
BROKEN = "break"
"""The engine fails where a question has this word."""


class FixedEngine(FakeGenerator):
    """A `SurveyedEngine` that always gives the same answer."""

    def __init__(self) -> None:
        super().__init__(*ANSWER)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        broken = BROKEN in FakeEncoder().decode(from_bytes(request.prompt))
        self.fault = EngineUnavailable(f"the engine lost {QUESTION}") if broken else None
        async for delta in super().generate(request):
            yield delta

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        return ResidencyUpdate("replica", "epoch", None, 1, b"", 0)

    def counters(self) -> EngineCounters:
        return EngineCounters()

    async def check_health(self) -> None:
        pass

    def close(self) -> None:
        pass


async def engine_services() -> Sequence[Served]:
    """Those of the engine's replica."""
    return [serving(EngineReplica)(EngineService(FixedEngine(), watch=generation_spans("tiny")))]


async def library_services() -> Sequence[Served]:
    """Those of the library's replica: three passages, which it always finds."""
    return [serving(Retriever)(FakeRetriever([a_passage(n) for n in range(3)], FakeClock()))]


async def agent_services(engine: Any, library: Any) -> Sequence[Served]:
    """Those of the agent's replica, on handles of the other two."""
    rig = Rig(spec=SUPPORT)
    rig.use(
        retriever=client_of(Retriever, library, "the library"),
        generator=EngineHandle(engine),
        answered=[AnswerLog(SUPPORT.name, as_fields=True), answer_span(SUPPORT.name)],
        stage_span=stage,
        clock=time.monotonic,
    )
    return [serving(Agent)(SupportService(SUPPORT, rig.rag, image_reader()))]


def api_of(agent: Any) -> FastAPI:
    """The HTTP API with this agent, by its handle."""
    app = Api().app
    agents = {SUPPORT.name: client_of(Agent, agent, "the support agent")}
    app.state.services = replace(app.state.services, agents=agents)
    return app

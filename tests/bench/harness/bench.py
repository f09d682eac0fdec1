"""What a part of the benchmark is, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.engine.service import EngineService
from serve_app.local_models import Models, local_models
from serve_app.settings import Settings
from tests.bench.harness.arms import Arm, build_arms
from tests.bench.harness.caches import held
from tests.bench.harness.engine_rate import Rate, rate_of
from tests.bench.harness.peer import Peer
from tests.bench.harness.plan import Plan
from tests.bench.harness.report import Report
from tests.bench.harness.surroundings import kv_cache_gib, model_dir, settings_for
from tests.bench.harness.testbed import Testbed, open_engine, open_testbed
from tests.integration.application.running import Application, running_application


class Bench:
    """One run of the benchmark. Starts the engine, the testbed and the application when a part needs them.

    What was started is kept for the parts that follow. The testbed and the application use the same state
    directory, so the testbed is closed before the application starts. The engine stays open then: parts that
    measure the application over HTTP compare it with this bare engine.
    """

    def __init__(self, plan: Plan, seed: int, peers: Sequence[Peer], report: Report) -> None:
        self.plan = plan
        self.seed = seed
        self.peers = peers
        self.report = report
        self.known_rate: Rate | None = None
        """The engine's speed, or None if no part has needed the engine."""
        self._settings: Settings
        self._models: Models
        self._engine: EngineService | None = None
        self._testbed: Testbed | None = None
        self._arms: Mapping[str, Arm] | None = None
        self._application: Application | None = None
        self._started = AsyncExitStack()
        self._started_testbed = AsyncExitStack()

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._started_testbed.aclose()
        await self._started.aclose()

    async def engine(self) -> EngineService:
        """An engine in this process."""
        if self._engine is None:
            folder = TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
            state_dir = Path(self._started.enter_context(folder))
            self._settings = settings_for(state_dir, engine_kv_cache_gib=kv_cache_gib(self.plan.kv_tokens))
            self._models = local_models(self._settings, print)
            opened = open_engine(self._settings, self._models)
            self._engine = await self._started.enter_async_context(opened)
            self.known_rate = await rate_of(self._engine)
            self.report.add("engine", asdict(self.known_rate))
            print(f"the engine: {self.known_rate}", flush=True)
        return self._engine

    async def rate(self) -> Rate:
        """The engine's speed, which the sizes of the parts follow."""
        await self.engine()
        assert self.known_rate is not None
        return self.known_rate

    async def testbed(self) -> Testbed:
        """The application's components in this process.

        Raises RuntimeError after the application was started: it uses the same state directory.
        """
        if self._application is not None:
            raise RuntimeError("parts that need the testbed come before those that need the application")
        if self._testbed is None:
            await self.engine()
            opened = open_testbed(self._settings, self._models)
            self._testbed = await self._started_testbed.enter_async_context(opened)
        return self._testbed

    async def arms(self) -> Mapping[str, Arm]:
        """All arms by letter. The parts share them, so a later part finds what an earlier one left cached."""
        if self._arms is None:
            self._arms = await build_arms(await self.testbed(), await self.engine())
        return self._arms

    async def application(self) -> Application:
        """The whole application, in processes of its own."""
        if self._application is None:
            bed = await self.testbed()  # leaves indexed samples in the state directory
            await self._close_testbed()
            running = running_application(bed.settings.state_dir, model_dir())
            self._application = self._started.enter_context(running)
        return self._application

    async def url(self) -> str:
        """The running application's URL."""
        return str((await self.application()).http.base_url).rstrip("/")

    async def stop(self) -> None:
        """Ends all that was started, for a part that must have the machine for itself."""
        await self._close_testbed()
        await self._started.aclose()
        self._engine = self._application = None

    async def _close_testbed(self) -> None:
        if self._testbed is not None:
            self.report.add("caches", await held(self._testbed, await self.engine()))
        await self._started_testbed.aclose()
        self._testbed = self._arms = None


Run = Callable[[Bench], Awaitable[None]]
"""Measures one thing: prints tables, and adds figures and claims to the report."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the benchmark."""

    name: str
    """As in `--only`."""
    run: Run
    in_short: bool = True
    """Whether `--short` has it."""

"""A server that ends, comes back, or is another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from deployments.core.errors import ConfigurationError, DeadlineExceeded, EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.sampling import Sampling
from deployments.engine.counters import EngineCounters
from deployments.engine.remote import followed_server
from deployments.engine.remote.figures import ServerFigures
from deployments.engine.remote.followed_server import FollowedServer, ServerRun

REQUEST = GenerateRequest(RequestId("r"), b"\1\0\0\0", Sampling(2, 0.0), "salt", 9.0)


class World:
    """The servers at two URLs, as a `RemoteEngine` and a `SurveyedEngine` would find them."""

    def __init__(self) -> None:
        self.url = "http://a"
        self.started_at_s: float | None = 1.0
        self.answers = True
        self.wrong = False
        self.generates = True
        self.busy = False
        self.looks = 0
        self.connected: list[str] = []
        self.closed = 0

    async def connect(self, url: str) -> ServerRun:
        self.looks += 1
        if self.busy:
            raise DeadlineExceeded("its queue is long")
        if not self.answers:
            raise EngineUnavailable("down")
        if self.wrong:
            raise ConfigurationError("wrong model")
        self.connected.append(url)
        return ServerRun(url, self.started_at_s, self, self)  # type: ignore[arg-type]  # stands for both

    async def look(self) -> ServerFigures:
        if not self.answers:
            raise EngineUnavailable("down")
        return ServerFigures(None, EngineCounters(), self.started_at_s)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        if not (self.answers and self.generates):
            raise EngineUnavailable("down")
        yield Delta("x", b"", finish_reason="stop")

    async def describe(self) -> EngineInfo:
        return EngineInfo("m", 100, 4, 400)

    def survey(self, salt: str, known: object) -> ResidencyUpdate:
        return ResidencyUpdate("replica", "epoch", None, 1, b"", 0)

    def counters(self) -> EngineCounters:
        return EngineCounters(running=3, prefix_hits=9)

    async def check_health(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(followed_server, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(followed_server, "RETRY_AFTER_S", 0.01)
    return World()


@pytest.fixture
def server(world: World) -> Iterator[FollowedServer]:
    followed = FollowedServer(lambda: world.url, world.connect, "replica")
    yield followed
    followed.close()


async def settled() -> None:
    await asyncio.sleep(0.05)


async def answers(server: FollowedServer) -> bool:
    try:
        return [delta.text async for delta in server.generate(REQUEST)] == ["x"]
    except EngineUnavailable:
        return False


async def test_a_server_comes_back_by_itself(server: FollowedServer, world: World) -> None:
    """Meanwhile surveys and generations fail at once, and no connection is tried for them."""
    await server.start()
    assert await answers(server)
    world.answers = False
    await settled()
    assert not await answers(server)
    with pytest.raises(EngineUnavailable) as error:
        server.survey("salt", ())
    assert error.value.replica == "replica"  # so that agents avoid it
    with pytest.raises(EngineUnavailable):
        await server.describe()
    assert server.counters() == EngineCounters(prefix_hits=9)
    await server.check_health()  # Serve must not replace the replica
    world.answers = True
    await settled()
    assert await answers(server)
    assert world.connected == ["http://a"]  # the same process: what it holds is still known


async def test_a_server_that_does_not_answer_at_the_start_is_waited_for(
    server: FollowedServer, world: World
) -> None:
    """The order in which an operator starts both does not matter."""
    world.answers = False
    await server.start()
    assert not await answers(server)
    world.answers = True
    await settled()
    assert await answers(server)


@pytest.mark.parametrize("started_at_s", [2.0, None])
async def test_a_server_that_has_started_again_is_checked_again(
    server: FollowedServer, world: World, started_at_s: float | None
) -> None:
    """Its cache is empty, and it may have another model."""
    world.started_at_s = None if started_at_s is None else 1.0
    await server.start()
    world.answers = False
    await settled()
    world.answers, world.started_at_s = True, started_at_s
    await settled()
    assert world.connected == ["http://a", "http://a"]
    assert world.closed == 1


async def test_a_server_that_comes_back_with_another_model_gets_no_prompts(
    server: FollowedServer, world: World
) -> None:
    """Token ids mean something else to it. When it is right again, it is used."""
    await server.start()
    world.started_at_s, world.wrong = 2.0, True
    await settled()
    assert not await answers(server)
    world.wrong = False
    await settled()
    assert await answers(server)


async def test_a_wrong_server_ends_the_start(server: FollowedServer, world: World) -> None:
    """The operator sees the message at once."""
    world.wrong = True
    with pytest.raises(ConfigurationError, match="wrong model"):
        await server.start()


async def test_refused_requests_have_no_server_looked_at(
    server: FollowedServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the traffic of tenants would check a server that is starting, over and over."""
    monkeypatch.setattr(followed_server, "RETRY_AFTER_S", 60.0)
    world.answers = False
    await server.start()
    looks = world.looks
    for _ in range(20):
        with pytest.raises(EngineUnavailable):
            [delta async for delta in server.generate(REQUEST)]
        await asyncio.sleep(0)
    assert world.looks == looks


async def test_a_server_that_is_busy_at_the_start_is_waited_for(server: FollowedServer, world: World) -> None:
    world.busy = True
    await server.start()
    world.busy = False
    await settled()
    assert await answers(server)


async def test_counters_go_on_after_an_outage(
    server: FollowedServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not say when it started is connected to again; its counts are not counted twice."""
    world.started_at_s = None
    await server.start()
    assert server.counters().prefix_hits == 9
    world.answers = False
    await settled()
    assert (server.counters().prefix_hits, server.counters().running) == (9, 0)


async def test_the_replica_changes_to_another_server(server: FollowedServer, world: World) -> None:
    """Serve numbers replicas again when others start or end."""
    await server.start()
    world.url = "http://b"
    await settled()
    assert world.connected == ["http://a", "http://b"]


async def test_a_failed_generation_has_the_server_looked_at(
    server: FollowedServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look would come in five seconds."""
    monkeypatch.setattr(followed_server, "LOOK_EVERY_S", 60.0)
    await server.start()
    await asyncio.sleep(0)
    world.answers = False
    with pytest.raises(EngineUnavailable):
        [delta async for delta in server.generate(REQUEST)]
    await settled()
    with pytest.raises(EngineUnavailable):
        server.survey("salt", [Known("replica", "epoch", 1)])

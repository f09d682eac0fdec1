"""A Protocol's client and its replica: connected by a handle in this process, and each alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, Protocol

import grpc  # type: ignore[import-untyped]
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from deployments.core.errors import NotFound, Unavailable
from deployments.core.replica import Kind, Replica, every_replica, operations, repeatable, serving
from serve_app import remote
from serve_app.remote import client_of
from tests.local_handle import LocalHandle, replica_of


class Base(Protocol):
    async def double(self, number: int, *, plus: int = 0) -> int:
        """Twice a number."""


class Numbers(Base, Protocol):
    def count(self, to: int) -> AsyncGenerator[int, None]:
        """0 to below `to`."""

    @every_replica
    async def forget(self, name: str) -> None:
        """Forgets a name."""


class Service:
    """Implements `Numbers`; `closed` counts streams that were not read to their end."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.closed = 0
        self.sick = False
        self.ended = 0

    async def double(self, number: int, *, plus: int = 0) -> int:
        if number < 0:
            raise NotFound(f"there is no {number}", "number")
        return 2 * number + plus

    def count(self, to: int) -> AsyncGenerator[int, None]:
        return self._count(to)

    async def forget(self, name: str) -> None:
        self.forgotten.append(name)

    async def check_health(self) -> None:
        if self.sick:
            raise RuntimeError("sick")

    def shut_down(self) -> None:
        self.ended += 1

    async def secret(self) -> str:
        return "of no Protocol"

    async def _count(self, to: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(to):
                yield number
        except GeneratorExit:
            self.closed += 1
            raise


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def handle(service: Service) -> LocalHandle:
    return LocalHandle(await replica_of(serving(Numbers)(service)))


@pytest.fixture
def numbers(handle: LocalHandle) -> Numbers:
    return client_of(Numbers, handle, "the counter")


def test_operations_are_those_of_the_protocol_and_its_bases() -> None:
    assert operations(Numbers) == {
        "double": Kind.CALL,
        "count": Kind.STREAM,
        "forget": Kind.EVERY_REPLICA,
    }


def test_a_method_that_cannot_travel_is_refused() -> None:
    class Plain(Protocol):
        def now(self) -> float:
            """Neither awaited nor a stream."""

    with pytest.raises(TypeError, match="now"):
        operations(Plain)


async def test_calls_reach_the_service_with_their_arguments(numbers: Numbers) -> None:
    assert await numbers.double(3) == 6
    assert await numbers.double(3, plus=1) == 7


async def test_a_stream_yields_what_the_service_does(numbers: Numbers) -> None:
    assert [number async for number in numbers.count(3)] == [0, 1, 2]


async def test_closing_a_stream_closes_the_services(service: Service) -> None:
    replica: Any = await replica_of(serving(Numbers)(service))
    async with aclosing(replica.count(3)) as items:
        await anext(items)
    assert service.closed == 1


async def test_a_broadcast_reaches_the_replicas_and_returns_nothing(
    numbers: Numbers, service: Service
) -> None:
    assert await numbers.forget("a") is None  # type: ignore[func-returns-value]
    assert service.forgotten == ["a"]


async def test_errors_of_the_service_come_out_as_they_were(numbers: Numbers) -> None:
    with pytest.raises(NotFound) as raised:
        await numbers.double(-1)
    assert (raised.value.message, raised.value.param) == ("there is no -1", "number")


async def test_only_operations_of_the_protocol_are_offered(handle: LocalHandle, numbers: Numbers) -> None:
    assert not hasattr(numbers, "secret")
    replica: Any = handle._target
    assert not hasattr(replica, "secret")


async def test_health_is_that_of_every_service(service: Service) -> None:
    """A service that serves several Protocols is called once."""
    replica = await replica_of(serving(Base)(service), serving(Numbers)(service))
    await replica.check_health()
    service.sick = True
    with pytest.raises(RuntimeError):
        await replica.check_health()
    replica.__del__()
    assert service.ended == 1


def test_a_replica_whose_constructor_failed_ends_quietly() -> None:
    Replica.__new__(Replica).__del__()


async def test_two_services_with_one_operations_name_are_refused() -> None:
    with pytest.raises(TypeError, match="double"):
        await replica_of(serving(Numbers)(Service()), serving(Base)(Service()))


class Replies:
    """A handle whose broadcast gives these results."""

    def __init__(self, *results: Any) -> None:
        self._results = results

    def options(self, **_: Any) -> Replies:
        return self

    def broadcast(self, *_: Any) -> Replies:
        return self

    async def results_async(self, return_exceptions: bool = False) -> Sequence[Any]:
        for result in self._results:
            if isinstance(result, Exception) and not return_exceptions:
                raise result
        return self._results


async def test_a_replica_that_dies_does_not_fail_a_broadcast() -> None:
    """It holds nothing any more, and the others have done what was asked."""
    dead = (ActorDiedError(), ActorUnavailableError("gone", None), grpc.RpcError())
    await client_of(Numbers, Replies(None, *dead), "the counter").forget("a")


async def test_an_error_of_a_living_replica_fails_a_broadcast() -> None:
    with pytest.raises(NotFound):
        await client_of(Numbers, Replies(None, NotFound("no a")), "the counter").forget("a")


class Looking(Protocol):
    @repeatable
    async def look(self) -> int:
        """Changes nothing."""

    @repeatable
    def pieces(self) -> AsyncGenerator[int, None]:
        """0, 1 and 2."""

    async def add(self) -> int:
        """Adds something each time."""


class Dying:
    """A handle whose replicas die with these errors, one after the other, the last of them after `piece`
    pieces of a stream. Counts the calls.
    """

    def __init__(self, *errors: Exception, after: int = 0) -> None:
        self._errors = list(errors)
        self._after = after
        self.calls = 0

    def options(self, **_: Any) -> Dying:
        return self

    @property
    def look(self) -> Any:
        return SimpleNamespace(remote=self._call)

    add = look

    @property
    def pieces(self) -> Any:
        return SimpleNamespace(remote=lambda **_: Cancellable(self._pieces()))

    async def _call(self, **_: Any) -> int:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return 5

    async def _pieces(self) -> AsyncGenerator[int, None]:
        self.calls += 1
        for number in range(3):
            if self._errors and number == self._after:
                raise self._errors.pop(0)
            yield number


class Cancellable:
    def __init__(self, items: AsyncGenerator[int, None]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncGenerator[int, None]:
        return self._items

    def cancel(self) -> None:
        """Its replica is gone."""


DEAD = (ActorDiedError(), ActorUnavailableError("gone", None), grpc.RpcError())


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.0))


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("deaths", [0, 1, 2])
async def test_a_repeatable_call_outlives_its_replica(deaths: int) -> None:
    handle = Dying(*DEAD[:deaths])
    client = client_of(Looking, handle, "the part")
    assert await client.look() == 5
    assert handle.calls == 1 + deaths
    handle = Dying(*DEAD[:deaths])
    assert [piece async for piece in client_of(Looking, handle, "the part").pieces()] == [0, 1, 2]
    assert handle.calls == 1 + deaths


@pytest.mark.usefixtures("_at_once")
async def test_a_call_that_kills_each_replica_is_given_up() -> None:
    handle = Dying(*DEAD, ActorDiedError())
    with pytest.raises(Unavailable):
        await client_of(Looking, handle, "the part").look()
    assert handle.calls == 3


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("error", [*DEAD, Unavailable("not ready")])
async def test_what_may_have_changed_something_is_not_called_again(error: Exception) -> None:
    handle = Dying(error)
    with pytest.raises(Unavailable):
        await client_of(Looking, handle, "the part").add()
    assert handle.calls == 1


@pytest.mark.usefixtures("_at_once")
async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    handle = Dying(ActorDiedError(), after=2)
    pieces = client_of(Looking, handle, "the part").pieces()
    seen = [await anext(pieces), await anext(pieces)]
    with pytest.raises(Unavailable):
        await anext(pieces)
    assert (seen, handle.calls) == ([0, 1], 1)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("error", [NotFound("no"), Unavailable("not ready")])
async def test_an_error_of_a_living_replica_is_final(error: Exception) -> None:
    handle = Dying(error)
    with pytest.raises(type(error)):
        await client_of(Looking, handle, "the part").look()
    assert handle.calls == 1

"""What the application uses of Ray 2.60 that Ray does not document, checked without starting Ray.

Each test fails where a new version of Ray changes one of these. Tests with a running Ray cover more:

- several calls from one request (`own_call`), replies of single replicas, preferred replicas:
  `integration/handles/test_preferences.py`;
- errors and closed streams over a handle, killed replicas: `integration/handles/test_engine_handle.py`;
- the causes of Ray's errors: `test_translation.py` here;
- `ray_constants`, `tls_utils`, and Serve's variables: `integration/local_ray`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from ray import serve
from ray.serve import context
from ray.serve._private import controller, haproxy
from ray.serve._private.common import DeploymentID
from ray.serve._private.config import DeploymentConfig
from ray.serve._private.default_impl import (
    create_dynamic_handle_options,
    create_init_handle_options,
    get_request_metadata,
)
from ray.serve._private.local_testing_mode import make_local_deployment_handle
from ray.serve._private.replica import SERVE_BUILD_ASGI_APP_METHOD, UserCallableWrapper
from ray.serve._private.replica_result import ReplicaResult
from ray.serve._private.request_router.common import PendingRequest, RequestRoutingContext
from ray.serve._private.request_router.request_router import RequestRouter
from ray.serve._private.router import AsyncioRouter
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentBroadcastResponse

from deployments.core.errors import EngineUnavailable, NotFound
from deployments.core.replica import Replica, Served, every_replica, serving
from serve_app.engine.own_call import own_call, serve_request_id
from serve_app.engine.replies import replies
from serve_app.fast_path.haproxy_keeper import HAProxyKeeper
from serve_app.ingress import Ingress
from serve_app.remote import client_of


class Numbers(Protocol):
    async def double(self, number: int) -> int:
        """Twice a number."""

    def count(self, to: int) -> AsyncGenerator[int, None]:
        """0 to below `to`."""

    @every_replica
    async def forget(self) -> None:
        """Forgets everything."""


class Service:
    """Implements `Numbers`; `calls` lists what Serve called."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    async def double(self, number: int) -> int:
        if number < 0:
            raise NotFound(f"there is no {number}", "number")
        return 2 * number

    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    async def forget(self) -> None:
        self.calls.append("forget")

    async def check_health(self) -> None:
        self.calls.append("check_health")

    def shut_down(self) -> None:
        self.calls.append("shut_down")


class Building:
    """Builds a replica's services, as `serve_app.assembly` does."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self) -> Sequence[Served]:
        await asyncio.sleep(0)
        return [serving(Numbers)(Service(self.calls))]


def replica_handle(building: Building) -> Any:
    """A handle to a replica in a thread of this process, which runs it with Serve's own replica code."""
    deployment = serve.deployment(Replica, name="Numbers").bind(building)._bound_deployment
    return make_local_deployment_handle(deployment, "app")


async def test_serve_awaits_the_constructor_and_finds_methods_that_are_set_on_the_instance() -> None:
    """`Replica.__init__` is a coroutine function, and sets each operation as an attribute."""
    building = Building()
    numbers = client_of(Numbers, replica_handle(building), "the counter")
    assert await numbers.double(3) == 6
    assert [number async for number in numbers.count(3)] == [0, 1, 2]
    await numbers.forget()
    assert building.calls == ["forget"]
    with pytest.raises(NotFound):
        await numbers.double(-1)


async def test_serve_calls_a_replicas_health_check_and_its_del() -> None:
    """`Replica.__del__` ends vLLM's processes, long before the interpreter ends."""
    building = Building()
    replica = UserCallableWrapper(
        Replica,
        (building,),
        {},
        deployment_id=DeploymentID("Numbers", "app"),
        run_sync_methods_in_threadpool=True,
        run_user_code_in_separate_thread=False,
        local_testing_mode=False,
        deployment_config=DeploymentConfig(),
        actor_id="actor",
    )
    await replica.initialize_callable()
    await replica.call_user_health_check()
    await replica.call_destructor()
    assert building.calls == ["check_health", "shut_down"]
    replica._callable = None


def test_the_id_of_a_call_is_the_contexts_private_one() -> None:
    """`own_call` replaces it, and puts the earlier one back."""

    def call_id() -> str:
        options = create_init_handle_options(), create_dynamic_handle_options()
        return str(get_request_metadata(*options).internal_request_id)

    with own_call():
        outer = call_id()
        with own_call():
            inner = call_id()
        assert call_id() == outer != inner


def test_the_id_of_a_request_is_the_contexts() -> None:
    """`Ingress.call` gives it to requests that come over a Serve handle."""
    assert serve_request_id() == ""
    token = context._serve_request_context.set(context._RequestContext(request_id="one"))
    try:
        assert serve_request_id() == "one"
    finally:
        context._serve_request_context.reset(token)


async def test_each_reply_to_a_broadcast_can_be_taken_by_itself() -> None:
    """`replies` takes them from a private method, before Serve gathers them."""
    handle = replica_handle(Building())
    assert await replies(handle.broadcast("double", 4), 5.0) == [8]
    (error,) = await replies(handle.broadcast("double", -1), 5.0)
    assert isinstance(error, NotFound)


async def test_a_broadcast_to_no_replica_is_one_to_a_deployment_that_is_unavailable() -> None:
    async def none_runs() -> list[ReplicaResult]:
        raise DeploymentUnavailableError(DeploymentID("Engine", "app"))

    with pytest.raises(EngineUnavailable):
        await replies(DeploymentBroadcastResponse(none_runs(), None), 5.0)
    assert "raise DeploymentUnavailableError" in inspect.getsource(AsyncioRouter.broadcast)


def test_a_replicas_result_can_be_awaited_and_cancelled() -> None:
    assert inspect.iscoroutinefunction(ReplicaResult.get_async)
    assert callable(ReplicaResult.cancel)


def test_a_router_can_make_serve_pause_before_it_asks_a_full_deployment_again() -> None:
    """`PreferenceRouter` sets `should_backoff`, which would be set on anything without an error."""
    assert "routing_context" in {field.name for field in fields(PendingRequest)}
    assert "should_backoff" in {field.name for field in fields(RequestRoutingContext)}
    source = inspect.getsource(RequestRouter._choose_replicas_with_backoff)
    assert "routing_context.should_backoff" in source


def test_haproxy_is_run_by_an_actor_whose_class_can_be_replaced() -> None:
    """`haproxy_keeper` extends it, in the controller, and waits for its process."""
    source = inspect.getsource(controller.ServeController.__init__)
    assert source.index("RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH") < source.index("HAProxyManager if")
    manager = inspect.getsource(haproxy)
    for used in ("self._haproxy_start_task =", "self._reload_lock =", "self.event_loop =", "self._haproxy ="):
        assert used in manager
    reload = inspect.getsource(haproxy.HAProxyApi._graceful_reload)
    assert "self._proc = await self._start_and_wait_for_haproxy" in reload


async def test_a_keeper_starts_haproxy_again_unless_it_was_replaced_or_ended() -> None:
    """Around processes that are no HAProxy."""
    keeper = object.__new__(HAProxyKeeper)
    started: list[Any] = []

    async def start() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "100")
        started.append(process)
        keeper._haproxy._proc = process

    keeper._haproxy = SimpleNamespace(start=start, _proc=None)
    keeper._reload_lock = asyncio.Lock()
    keeper._haproxy_start_task = asyncio.ensure_future(start())
    await keeper._haproxy_start_task
    keeping = asyncio.create_task(keeper._keep_running())
    started[0].kill()
    await _until(lambda: len(started) == 2)
    async with keeper._reload_lock:
        former = started[1]
        await start()
        former.kill()
        await former.wait()
    await asyncio.sleep(0.05)
    assert len(started) == 3
    keeping.cancel()
    started[2].kill()
    await started[2].wait()
    assert len(started) == 3


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true")


def test_serve_asks_the_ingress_for_its_application_by_a_methods_name() -> None:
    assert hasattr(Ingress, SERVE_BUILD_ASGI_APP_METHOD)

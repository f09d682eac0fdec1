"""A detached task knows nothing of the request that started it."""

from contextvars import ContextVar

from deployments.core.detached_task import detached_task

REQUEST = ContextVar("REQUEST", default="none")


async def request_of_the_task() -> str:
    return REQUEST.get()


async def test_a_detached_task_has_an_empty_context() -> None:
    """It does not see the variables of the code that starts it."""
    REQUEST.set("first")
    assert await request_of_the_task() == "first"
    assert await detached_task(request_of_the_task()) == "none"

"""Unit tests start no Ray and open no socket: such a test may pass here and hang elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

_FORBIDDEN_EVENTS = {"socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo"}
_inside_a_unit_test = False


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if _inside_a_unit_test and event in _FORBIDDEN_EVENTS:
        raise AssertionError(f"{event} in a unit test: inject what opens the socket")


sys.addaudithook(_forbid)


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    global _inside_a_unit_test  # noqa: PLW0603  an audit hook can't be removed; this switches it off
    _inside_a_unit_test = True
    yield
    _inside_a_unit_test = False


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("ray.init in a unit test: test the plain class")

    monkeypatch.setattr(ray, "init", refuse)

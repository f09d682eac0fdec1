"""What a check found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployments.core.errors import WarmlineError

_TIMEOUT_S = 15.0


class State(StrEnum):
    """How good it is."""

    OK = "ok"
    WARN = "warn"
    """It works, and could be better."""
    FAIL = "fail"
    """The application, or this command line, can't work with it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """What was checked."""
    state: State
    found: str
    """What is there."""
    mend: str = ""
    """How to mend it; "" if there is nothing to mend."""


Check = Callable[[], Finding | Awaitable[Finding]]


def ok(check: str, found: str) -> Finding:
    """Nothing to mend."""
    return Finding(check, State.OK, found)


def warn(check: str, found: str, mend: str) -> Finding:
    """Something that could be better."""
    return Finding(check, State.WARN, found, mend)


def fail(check: str, found: str, mend: str) -> Finding:
    """Something that has to be mended."""
    return Finding(check, State.FAIL, found, mend)


async def checked(checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """What the checks find, in their order. A check that fails itself, or takes too long, is a finding."""
    return [await _finding(name, check) for name, check in checks]


async def _finding(name: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            found = check()
            return found if isinstance(found, Finding) else await found
    except TimeoutError:
        return fail(
            name, f"no answer within {_TIMEOUT_S:g} s", "look at the load of this machine and of its network"
        )
    except WarmlineError as error:
        return fail(name, str(error), "mend what the message names")
    except (OSError, ValueError, KeyError) as error:  # what was looked at is not what it should be
        return fail(name, f"can't be checked: {type(error).__name__}: {error}", "mend what the message names")

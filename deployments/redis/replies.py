"""What commands and their replies are, and checks of replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias, TypeVar

from deployments.core.errors import CacheUnavailable
from deployments.redis.address import Node

Command: TypeAlias = Sequence[str | bytes | int | float]
Reply: TypeAlias = object
T = TypeVar("T")


class WrongType(Enum):
    """The reply to a command on an entry of another type; the server has not failed.

    A hash field that holds no number, where a number should be added, also counts as another type.
    """

    WRONG_TYPE = "WRONGTYPE"


WRONG_TYPE = WrongType.WRONG_TYPE


@dataclass(frozen=True, slots=True)
class Failure:
    """What a command has instead of a reply."""

    outcome: Literal["failed", "refused", "skipped"]
    """No answer in time; an error as answer; or not sent, because the server had just failed."""
    error: CacheUnavailable
    """What the caller gets."""
    elsewhere: Node | None = None
    """The server of the cluster that has the key, if the answer was a redirection."""


def expect(kind: type[T], reply: Reply) -> T:
    """Returns the reply if it has this type. Raises CacheUnavailable otherwise: no Redis answers so."""
    if not isinstance(reply, kind):
        raise CacheUnavailable(f"the token cache answered with {type(reply).__name__}")
    return reply


def parsed(parse: Callable[[Any], T], reply: Reply) -> T:
    """Parses the reply. Raises CacheUnavailable if `parse` fails: this application did not write it."""
    try:
        return parse(reply)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CacheUnavailable("the token cache holds an entry that cannot be read") from error

"""What the parent and a document process send each other: a length in eight bytes, then a pickle."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any

HEADER = struct.Struct(">Q")
"""The length of the pickle."""


@dataclass(frozen=True, slots=True)
class Job:
    """A call of a DocumentCutter's method."""

    method: str
    arguments: tuple[Any, ...]


class MemoryExceeded(Exception):
    """A document took more memory than its limit."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of a job."""

    outcome: Any
    """What the method returned; or a WarmlineError, or MemoryExceeded, that it raised."""
    reusable: bool = True
    """Whether the process can take another job."""


def packed(message: object) -> bytes:
    """Returns a message as it is sent."""
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(pickled)) + pickled

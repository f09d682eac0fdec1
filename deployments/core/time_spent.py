"""The time that a request has taken so far, for messages between processes whose clocks may differ."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path


def _clock_id() -> str:
    """Names this host's monotonic clock, which all processes of one boot and time namespace share.

    Where the system does not tell, the name is this process's own.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        return uuid.uuid4().hex


CLOCK_ID = _clock_id()


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """A duration that went on when its message was sent.

    Two hosts' clocks can differ by any amount, so no time of one is compared with a time of the other.
    All processes of a host share its monotonic clock, so there the receiver also counts the time since
    sending. On another host that time is unknown and counts as none.
    """

    so_far_s: float
    """From the start until this was made."""
    made_at_s: float
    """When this was made, by the clock `clock_id` (`time.monotonic`)."""
    clock_id: str = CLOCK_ID

    def until(self, now_s: float, *, within_s: float, clock_id: str = CLOCK_ID) -> float:
        """Seconds from the start until `now_s`, a time of `time.monotonic` in the receiving process.

        The time since sending counts for at most `within_s`, the request's deadline.
        """
        since_s = now_s - self.made_at_s if clock_id == self.clock_id else 0.0
        return self.so_far_s + min(max(since_s, 0.0), within_s)

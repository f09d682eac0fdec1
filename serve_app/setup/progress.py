"""Shows the progress of a download: as a bar on a terminal, else as a line from time to time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

LINE_EVERY_S = 10.0
"""Minimum seconds between two lines, if there is no terminal."""
MB = 1e6


class Progress:
    """A context manager that shows the progress while it is open."""

    def __init__(self, what: str, total_bytes: int, report: Callable[[str], None]) -> None:
        """`what` names the download. Without a terminal, `report` gets the lines."""
        self._what = what
        self._total = total_bytes
        self._report = report
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Bar(TextColumn("{task.description}"), *columns, console=Console(stderr=True))
            self._task = self._bar.add_task(f"Downloading {what}", total=total_bytes)

    def __enter__(self) -> Self:
        self._started_s = self._reported_s = time.monotonic()
        self._first: int | None = None
        if self._bar:
            self._bar.start()
        else:
            self._report(f"Downloading {self._what}, {self._total / MB:,.0f} MB")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, done_bytes: int) -> None:
        """Shows that `done_bytes` are downloaded, including those of an earlier attempt."""
        now = time.monotonic()
        done_bytes = min(done_bytes, self._total)  # a downloader may hold a file twice while it copies it
        if self._first is None:
            self._first = done_bytes
        if self._bar:
            self._bar.update(self._task, completed=done_bytes)
        elif now - self._reported_s >= LINE_EVERY_S:
            self._reported_s = now
            speed = (done_bytes - self._first) / (now - self._started_s)
            left = f"{(self._total - done_bytes) / speed:.0f} s left" if speed > 0 else "waiting"
            self._report(
                f"  {done_bytes / MB:,.0f} of {self._total / MB:,.0f} MB, {speed / MB:.1f} MB/s, {left}"
            )

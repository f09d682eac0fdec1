"""A document process: reads and cuts documents within limits. A program; `DocumentProcess` starts it.

    python -m deployments.knowledge.document_worker PARENT_PID

Standard input is a socket. It brings a DocumentCutter, answered by a Reply when the process is ready, and
then Jobs, each answered by a Reply. The process ends when the socket closes; the kernel kills it when the
parent ends, or when a document takes too much CPU time.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import pickle
import resource
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from deployments.core.errors import InternalFault, WarmlineError
from deployments.knowledge.document_cutter import DocumentCutter
from deployments.knowledge.document_limits import DocumentLimits
from deployments.knowledge.document_messages import HEADER, Job, MemoryExceeded, Reply, packed

_MAX_GROWTH_BYTES = 128 << 20
"""A process that keeps more memory than this after a document is replaced."""
_PR_SET_PDEATHSIG = 1
_PAGE_BYTES = resource.getpagesize()


def main() -> None:
    """Runs the program."""
    _end_with(int(sys.argv[1]))
    logging.disable()  # libraries warn about each fault of a document
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=os.dup(0)) as connection, connection.makefile("rwb") as stream:
        cutter = _receive(stream)
        if isinstance(cutter, DocumentCutter):
            _serve(stream, cutter)


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl took effect
        sys.exit(0)


def _serve(stream: BufferedRWPair, cutter: DocumentCutter) -> None:
    cutter.chunker.count_tokens("x")  # loads the tokenizer, which no document has to answer for
    idle = _Memory.now()
    _limit_memory(idle, cutter.limits)
    _send(stream, Reply(None))
    while isinstance(job := _receive(stream), Job):
        _limit_cpu_time(cutter.limits)
        outcome = _outcome(cutter, job)
        grown = _Memory.now().resident - idle.resident
        reusable = grown <= _MAX_GROWTH_BYTES and not isinstance(outcome, MemoryExceeded)
        _send(stream, Reply(outcome, reusable))


def _outcome(cutter: DocumentCutter, job: Job) -> Any:
    try:
        return getattr(cutter, job.method)(*job.arguments)
    except WarmlineError as error:
        return error
    except MemoryError:
        return MemoryExceeded()
    except Exception:
        traceback.print_exc()
        return InternalFault("the document could not be read because of a fault of the application")


@dataclass(frozen=True, slots=True)
class _Memory:
    """This process's memory, in bytes."""

    resident: int
    data: int
    """What RLIMIT_DATA counts."""

    @classmethod
    def now(cls) -> _Memory:
        _, resident, _, _, _, data, _ = map(int, Path("/proc/self/statm").read_text().split())
        return cls(resident * _PAGE_BYTES, data * _PAGE_BYTES)


def _limit_memory(idle: _Memory, limits: DocumentLimits) -> None:
    most = idle.data + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _limit_cpu_time(limits: DocumentLimits) -> None:
    """Limits the CPU time of the next job. The soft limit kills; the hard one stays as it is."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime) + limits.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _receive(stream: BufferedRWPair) -> object:
    """Returns the next message; None if the parent closed the socket."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    pickled = stream.read(HEADER.unpack(header)[0])
    return pickle.loads(pickled)  # noqa: S301 -- written by the parent process


def _send(stream: BufferedRWPair, reply: Reply) -> None:
    stream.write(packed(reply))
    stream.flush()


if __name__ == "__main__":
    main()

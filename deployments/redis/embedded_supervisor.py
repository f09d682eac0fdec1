"""Keeps one embedded server running for as long as anybody uses it. A program of its own, stdlib only.

    python embedded_supervisor.py DIRECTORY COMMAND...

It runs COMMAND (a server that stays in the foreground) while some process holds a shared lock on
DIRECTORY/users, restarts it when it dies, and ends it and itself when nobody holds the lock any more.
Locks are the kernel's and so outlive no process, however it was killed:

    DIRECTORY/users         shared by each user; exclusive by a supervisor on its way out
    DIRECTORY/supervisor    exclusive by the one supervisor; holds its pid, for people

If the supervisor itself is killed, the kernel kills the server with it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_S = 0.5
"""How often the users' lock is tried. Twice in a row free means nobody is left."""

FIRST_RESTART_DELAY_S = 0.1
LAST_RESTART_DELAY_S = 5.0
_STABLE_S = 10.0
_LOG_BYTES = 1_000_000
_PR_SET_PDEATHSIG = 1
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


class Supervisor:
    """One server process and the rule by which it is restarted; times are monotonic seconds."""

    def __init__(self, command: list[str], log: int) -> None:
        self._command = command
        self._log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._delay_s = FIRST_RESTART_DELAY_S
        self.restart_at_s = 0.0

    def keep_running(self) -> None:
        """Starts the server when it is due, and notices that it died.

        Each death within ten seconds of its start doubles the wait before the next one.
        """
        now_s = time.monotonic()
        if self._server is not None and self._server.poll() is not None:
            stable = now_s - self._started_at_s > _STABLE_S
            self._delay_s = FIRST_RESTART_DELAY_S if stable else self._delay_s
            self.restart_at_s = now_s + self._delay_s
            self._delay_s = min(2 * self._delay_s, LAST_RESTART_DELAY_S)
            self._server = None
        if self._server is None and now_s >= self.restart_at_s:
            self._server = self._start()
            self._started_at_s = now_s
            self.restart_at_s = float("inf")

    def end(self) -> None:
        """Ends the server; returns when it is gone. It holds nothing that would have to be saved."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(1.0)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        libc = ctypes.CDLL(None)
        parent = os.getpid()

        def die_with_parent() -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the kernel knew
                os._exit(1)

        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        )


def supervise(supervisor: Supervisor, users: int) -> None:
    """Returns when nobody uses the server any more, or on SIGTERM, with the server ended.

    On return for want of users their lock stays held until this process exits: whoever comes meanwhile
    waits, then finds no supervisor and starts one, instead of being handed a server that is ending.
    """
    polls_without_users = 0
    next_poll_s = time.monotonic() + POLL_S
    while polls_without_users < 2:
        supervisor.keep_running()
        wait_s = max(0.0, min(next_poll_s, supervisor.restart_at_s) - time.monotonic())
        received = signal.sigtimedwait(_SIGNALS, wait_s)
        if received is not None and received.si_signo != signal.SIGCHLD:
            break
        if time.monotonic() >= next_poll_s:
            next_poll_s = time.monotonic() + POLL_S
            polls_without_users = polls_without_users + 1 if lock(users, fcntl.LOCK_EX) else 0
            if polls_without_users == 1:
                fcntl.flock(users, fcntl.LOCK_UN)
    supervisor.end()


def lock(fd: int, kind: int) -> bool:
    """Takes a lock if it is free; never waits."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_lock(path: Path) -> int:
    """A descriptor to lock; the file is made when it is missing, and never written by this."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def main(arguments: list[str]) -> int:
    """The process that the caller started returns at once; its child stays, unless there is one already."""
    directory, command = Path(arguments[0]), arguments[1:]
    guard = open_lock(directory / "supervisor")
    if not lock(guard, fcntl.LOCK_EX):
        return 0
    users = open_lock(directory / "users")
    if os.fork():  # the lock is the child's as well, and no caller that cleans up its children finds it
        return 0
    os.chdir("/")
    os.ftruncate(guard, 0)
    os.pwrite(guard, f"{os.getpid()}\n".encode(), 0)
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(log).st_size > _LOG_BYTES:
        os.ftruncate(log, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    supervise(Supervisor(command, log), users)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

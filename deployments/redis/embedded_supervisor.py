"""Keeps one embedded server running while any process uses it. A program; standard library only.

    python embedded_supervisor.py DIRECTORY COMMAND...

It runs COMMAND (a server that stays in the foreground) while at least one process holds a shared lock on
DIRECTORY/users. It restarts the server when it dies. When no process holds the lock any more, it stops
the server and exits. The kernel releases a process's locks when the process ends, even if it was killed:

    DIRECTORY/users         locked shared by each user; locked exclusively by an exiting supervisor
    DIRECTORY/supervisor    locked exclusively by the one supervisor; contains its pid, for people

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
"""How often the supervisor tries the users' lock. If it is free twice in a row, no user is left."""

FIRST_RESTART_DELAY_S = 0.1
LAST_RESTART_DELAY_S = 5.0
_STABLE_S = 10.0
_LOG_BYTES = 1_000_000
_PR_SET_PDEATHSIG = 1
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


class Supervisor:
    """Runs one server process and restarts it after it died.

    `restart_at_s` is when the next start is due, in monotonic seconds; infinite while the server runs.
    """

    def __init__(self, command: list[str], log: int) -> None:
        self._command = command
        self._log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._delay_s = FIRST_RESTART_DELAY_S
        self.restart_at_s = 0.0

    def keep_running(self) -> None:
        """Notices that the server died, and starts it when a start is due.

        Each death within ten seconds of a start doubles the delay before the next start.
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
        """Stops the server and returns when it has exited. The server has no data to save."""
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
            if os.getppid() != parent:  # the supervisor died before prctl took effect
                os._exit(1)

        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        )


def supervise(supervisor: Supervisor, users: int) -> None:
    """Keeps the server running until no process uses it any more, or until SIGTERM; then stops it.

    If it returns because there are no users, this process keeps the users' lock until it exits. A new
    user that arrives in between waits for the lock, finds no supervisor and starts one, and so never
    gets a server that is stopping.
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
    """Takes a lock if it is free, without waiting; returns whether it did."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_lock(path: Path) -> int:
    """Opens a file to lock, and creates it if it is missing. Returns the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def main(arguments: list[str]) -> int:
    """Forks a supervisor and returns at once; does nothing if a supervisor already runs. Returns 0."""
    directory, command = Path(arguments[0]), arguments[1:]
    guard = open_lock(directory / "supervisor")
    if not lock(guard, fcntl.LOCK_EX):
        return 0
    users = open_lock(directory / "users")
    if os.fork():  # the child shares the lock, and a caller that ends its children does not find it
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

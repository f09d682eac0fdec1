"""A private PostgreSQL server, for tests: on a unix socket, or on an address too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, newest version first; None when there is none."""
    on_path = shutil.which("postgres")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    found = [Path(on_path)] if on_path else packaged
    return found[0].parent if found else None


class PostgresServer:
    """A server in a folder of its own, started by the constructor; call `stop`."""

    def __init__(self, binaries: Path, folder: Path, listen: str = "", clients: str = "") -> None:
        """`listen` is an address to listen on, too, for `clients`: a network such as 10.0.0.0/24."""
        # The server refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        self._folder = folder
        self._listen = listen
        data = folder / "data"
        if user:
            shutil.chown(folder, user, user)
        setup = ["-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", "-D", data, *setup],
            check=True,
            capture_output=True,
            cwd="/",
            user=user,
            group=user,
        )
        if clients:
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {clients} trust\n")
        # No fsync: no data has to survive a crash.
        options: list[str | Path] = ["-k", folder, "-c", f"listen_addresses={listen}", "-c", "fsync=off"]
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=user,
            group=user,
        )
        self._wait()

    @property
    def url(self) -> str:
        """The URL, in the form that users give to `Database.open`."""
        return f"postgresql://test@{self._listen}/postgres" if self._listen else self._socket_url

    @property
    def _socket_url(self) -> str:
        return f"postgresql://test@/postgres?host={self._folder}"

    def empty(self) -> str:
        """Empties the database, which tests use one after another; returns its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url

    def stop(self) -> None:
        """Ends the server."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)

    def _wait(self) -> None:
        deadline_s = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self._socket_url).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)

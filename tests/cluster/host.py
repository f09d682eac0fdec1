"""Hosts of a cluster on one machine: Linux namespaces, each with its own network, processes and clock.

A host has its own IP address, process ids, hostname, /dev/shm, monotonic clock and home folder. It sees the
checkout and the models, read-only, as a machine image would bring them. Needs root, `ip`, `unshare` and
`nsenter`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = "/mnt"
"""Where a host sees its home folder: a mount point that every Linux has and no checkout is below."""
_CHECKOUT, _MODELS = "warmline", "models"
_NAMESPACES = ("--net", "--pid", "--mount", "--uts", "--ipc", "--time")
_CLOCK_STEP_S = 100_000
"""Seconds by which a host's monotonic clocks are ahead of those of the host before it."""
# An init process: it waits for the processes whose parents have ended.
_INIT = "while :; do sleep 3600 & wait; done"


def missing() -> str | None:
    """What this machine lacks for hosts; None if nothing."""
    if os.geteuid() != 0:
        return "hosts need root, for their namespaces"
    words = ["unshare", *_NAMESPACES, "--fork", "ip", "link"]
    allowed = subprocess.run(words, capture_output=True, check=False).returncode == 0
    return None if allowed else "this kernel or container allows no namespaces"


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Network:
    """A private network between hosts and this machine."""

    bridge: str
    """The name of its bridge."""
    prefix: str
    """The first three numbers of its addresses."""

    @property
    def gateway(self) -> str:
        """This machine's address in the network."""
        return f"{self.prefix}.254"


@contextmanager
def network() -> Iterator[Network]:
    """A network of this process, removed at the end with the interfaces of its hosts."""
    pid = os.getpid()
    made = Network(f"wl{pid}", f"10.{128 + pid // 250 % 100}.{pid % 250}")
    _run("ip", "link", "add", made.bridge, "type", "bridge")
    try:
        _run("ip", "addr", "add", f"{made.gateway}/24", "dev", made.bridge)
        _run("ip", "link", "set", made.bridge, "up")
        yield made
    finally:
        _run("ip", "link", "del", made.bridge)


class Host:
    """A running host. All its processes end with `kill`, or with the process that started it."""

    def __init__(self, network: Network, number: int, folder: Path, models: Path) -> None:
        """`number` is unique in the network, from 1 to 253; `folder` keeps the home folder."""
        self.address = f"{network.prefix}.{number}"
        self._interface = f"{network.bridge}.{number}"
        self.home = folder / "home"
        self.output = folder / "output.log"
        """What the commands on this host have printed."""
        for name in (_CHECKOUT, _MODELS, "tmp"):
            (self.home / name).mkdir(parents=True)
        ahead_s = number * _CLOCK_STEP_S
        self._process = subprocess.Popen(
            # The kernel ends a host with the thread that started it.
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", *_NAMESPACES, "--kill-child", "--mount-proc"),
                *("--monotonic", str(ahead_s), "--boottime", str(ahead_s), "bash", "-c", _INIT),
            ],
            start_new_session=True,  # so that Ctrl-C ends the check first, and the check its hosts
        )
        self.pid = _child_of(self._process.pid)
        self._join(network, number)
        self._name(f"host{number}", network, folder)
        self._mount(models)

    def _join(self, network: Network, number: int) -> None:
        outside, inside = self._interface, "eth0"
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", str(self.pid))
        _run("ip", "link", "set", outside, "master", network.bridge, "up")
        self._inside("ip", "link", "set", "lo", "up")
        self._inside("ip", "addr", "add", f"{self.address}/24", "dev", inside)
        self._inside("ip", "link", "set", inside, "up")
        self._inside("ip", "route", "add", "default", "via", network.gateway)

    def _name(self, name: str, network: Network, folder: Path) -> None:
        """Gives the host a name. There is no name server, and the gateway says so at once."""
        self._inside("hostname", name)
        for file, text in (
            ("hosts", f"127.0.0.1 localhost\n{self.address} {name}\n"),
            ("resolv.conf", f"nameserver {network.gateway}\n"),
        ):
            (folder / file).write_text(text)
            self._inside("mount", "--bind", folder / file, f"/etc/{file}")

    def _mount(self, models: Path) -> None:
        self._inside("mount", "--bind", self.home, HOME)
        for source, name in ((ROOT, _CHECKOUT), (models, _MODELS)):
            self._inside("mount", "--bind", source.resolve(), f"{HOME}/{name}")
            self._inside("mount", "-o", "remount,ro,bind", f"{HOME}/{name}")
        self._inside("mount", "-t", "tmpfs", "shm", "/dev/shm")

    def _inside(self, *words: str | Path) -> None:
        _run("nsenter", "--target", str(self.pid), "--all", *words)

    def command(self, script: str, environ: Mapping[str, str]) -> list[str]:
        """The words of a command that runs a shell script on this host, with no other variables."""
        own = {"HOME": HOME, "TMPDIR": f"{HOME}/tmp", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        variables = [f"{name}={value}" for name, value in {**own, **environ}.items()]
        inside = ["nsenter", "--target", str(self.pid), "--all", "env", "-i", "-C", HOME]
        return [*inside, *variables, "bash", "-c", script]

    def start(self, script: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Starts a script on this host, with its output in `output`."""
        with self.output.open("ab") as output:
            output.write(f"$ {shlex.join([script])}\n".encode())
            output.flush()
            return subprocess.Popen(self.command(script, environ), stdout=output, stderr=subprocess.STDOUT)

    def run(self, script: str, environ: Mapping[str, str]) -> None:
        """Runs a script on this host. Raises RuntimeError with the output's end if it fails."""
        if self.start(script, environ).wait() != 0:
            raise RuntimeError(f"{self.address} failed:\n{self.output.read_text()[-4000:]}")

    def kill(self) -> None:
        """Ends all processes of this host at once, as a loss of power would."""
        self._process.kill()
        self._process.wait()
        # The kernel removes it too, but later than the network may end.
        subprocess.run(["ip", "link", "del", self._interface], capture_output=True, check=False)


def _child_of(pid: int) -> int:
    """The process that `unshare` has forked: the first one of the host."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until_s = time.monotonic() + 10
    while not (found := children.read_text().split()):
        if time.monotonic() > until_s:
            raise RuntimeError("no host has started")
        time.sleep(0.01)
    return int(found[0])

"""A process, its descendants, and which sockets they listen on, read from /proc (Linux)."""

from __future__ import annotations

import ipaddress
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_TCP_LISTEN = "0A"
_UDP_UNCONNECTED = "07"
_UNIX_ACCEPTS = 0x10000


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """One socket. `address` is an IP address with `port`, or a path with port 0."""

    protocol: str
    address: str
    port: int
    pid: int
    command: str

    @property
    def is_private(self) -> bool:
        """Whether other machines and, in case of a path, other users are unable to connect to it."""
        if self.protocol != "unix":
            return ipaddress.ip_address(self.address).is_loopback
        return not self.address.startswith("@") and _closed_to_others(Path(self.address))


def listening_sockets(root_pid: int, detached: Iterable[int] = ()) -> list[Listener]:
    """Every listening TCP, bound UDP and listening unix socket of `root_pid` and its descendants.

    `detached` are pids of processes that belong to it but have another parent. An abstract unix socket's
    address starts with `@`.
    """
    sockets = {**_ip_sockets(root_pid), **_unix_sockets(root_pid)}
    found = {
        Listener(*sockets[inode], pid, _command(pid))
        for pid in {*family(root_pid), *detached}
        for inode in _socket_inodes(pid)
        if inode in sockets
    }
    return sorted(found)


def family(root_pid: int) -> set[int]:
    """`root_pid` and its descendants."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # the process has ended
        children.setdefault(parent, []).append(int(status.parent.name))
    family, unvisited = set(), [root_pid]
    while unvisited:
        pid = unvisited.pop()
        family.add(pid)
        unvisited += children.get(pid, [])
    return family


def runs(pid: int) -> bool:
    """Whether a process runs. One that has ended, and that nobody has waited for, does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _socket_inodes(pid: int) -> Iterator[str]:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for link in links:
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)]", target):
            yield match[1]


def _ip_sockets(pid: int) -> dict[str, tuple[str, str, int]]:
    found = {}
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        wanted = _TCP_LISTEN if protocol.startswith("tcp") else _UDP_UNCONNECTED
        table = Path(f"/proc/{pid}/net/{protocol}")
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == wanted:
                found[fields[9]] = (protocol, _address(address), int(port, 16))
    return found


def _address(hexadecimal: str) -> str:
    """The kernel writes addresses as 32-bit words in its own byte order: little-endian on x86-64."""
    words = [hexadecimal[start : start + 8] for start in range(0, len(hexadecimal), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return address.removeprefix("::ffff:")


def _unix_sockets(pid: int) -> dict[str, tuple[str, str, int]]:
    found = {}
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if int(fields[3], 16) & _UNIX_ACCEPTS:
            found[fields[6]] = ("unix", fields[7] if len(fields) > 7 else "@unnamed", 0)
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def _closed_to_others(path: Path) -> bool:
    """Whether the socket or a folder above it denies access to others: connecting needs write access.

    A socket that was renamed in its folder, as HAProxy's are, is listed under its earlier name. Then
    only the folders count.
    """
    others = stat.S_IRWXG | stat.S_IRWXO
    if path.exists() and not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return True
    return any(not folder.stat().st_mode & others for folder in path.parents)

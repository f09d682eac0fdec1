"""Edits the HAProxy configuration that Serve wrote, then becomes HAProxy. Standard library only.

Serve runs this file instead of HAProxy: `haproxy.py FOLDER HOST BINARY ARGUMENTS...`. HAProxy listens on
HOST, or on Serve's host if it is "". FOLDER has HAProxy's error files, one for each status (`503.http`).
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_MARKER = "# Made Warmline's from Serve's own.\n"
"""The first line of an edited configuration."""
_REMOVED_SECTIONS = ("frontend prometheus", "listen stats")
"""Both listen on all interfaces, on fixed ports. Serve needs neither: it uses the admin socket."""
_DEFAULTS = (
    "    timeout http-request 30s",  # limits the head of a request; Serve's limit is an hour
    # Without it, a replica that dies on a reused connection closes the client's connection unanswered.
    "    option http-server-close",
    # A replica whose host is lost closes no connection: without probes, a client waits for Serve's timeout.
    "    option srvtcpka",
    "    srvtcpka-idle 5s",
    "    srvtcpka-intvl 2s",
    "    srvtcpka-cnt 3",
)
_PR_SET_PDEATHSIG = 1


class UnexpectedConfigurationError(Exception):
    """Serve's configuration differs from the one this module expects, so it may open unknown ports."""


def edited(config: str, host: str, error_files: Mapping[int, Path]) -> str:
    """Serve's configuration with one TCP listener, a private admin socket and these error files.

    `host` is the HTTP frontend's address; "" leaves Serve's. `error_files` are by status. Raises
    UnexpectedConfigurationError.
    """
    sections = dict(_sections(config))
    for name in _REMOVED_SECTIONS:
        _required(sections, name)
        del sections[name]
    _edit(sections, "global", r"(stats socket \S+ mode) 666 ", r"\1 600 ")
    # Replicas log requests, so HAProxy logs only servers that come up or go down.
    _edit(sections, "global", r"(    log .*) info$", r"\1 notice")
    _edit(sections, "backend default_backend", r"http-request return status 404 .*", _unavailable)
    if host:
        _edit(sections, "frontend http_frontend", r"(    bind) \S+:(\d+)$", rf"\1 {_bracketed(host)}:\2")
    kept = [line for line in _required(sections, "defaults") if not line.startswith("    errorfile ")]
    files = [f"    errorfile {status} {path}" for status, path in sorted(error_files.items())]
    sections["defaults"] = [*kept, *_DEFAULTS, *files]
    _check_listeners(sections)
    lines = (line for name, body in sections.items() for line in (name, *body))
    return _MARKER + "\n".join(lines) + "\n"


def _sections(config: str) -> Iterator[tuple[str, list[str]]]:
    name, body = "", list[str]()
    for line in config.splitlines():
        if line[:1].strip() and not line.startswith("#"):
            if name:
                yield name, body
            name, body = line.strip(), []
        elif name:
            body.append(line)
    yield name, body


def _required(sections: Mapping[str, list[str]], name: str) -> list[str]:
    if name not in sections:
        raise UnexpectedConfigurationError(f"Serve's HAProxy configuration has no section {name!r}")
    return sections[name]


def _edit(
    sections: dict[str, list[str]], name: str, pattern: str, new: str | Callable[[re.Match[str]], str]
) -> None:
    edited, count = re.subn(pattern, new, "\n".join(_required(sections, name)), flags=re.MULTILINE)
    if count != 1:
        raise UnexpectedConfigurationError(f"{count} lines instead of one in {name!r} match {pattern!r}")
    sections[name] = edited.split("\n")


def _unavailable(_: re.Match[str]) -> str:
    """The default backend answers 503: it has a request only while the application does not run."""
    return "http-request return status 503 default-errorfiles"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_listeners(sections: Mapping[str, list[str]]) -> None:
    listeners = [
        name for name, body in sections.items() for line in body if re.match(r"\s*(bind|stats socket) ", line)
    ]
    known = {"global", "frontend http_frontend", "frontend grpc_frontend"}
    if not {"global", "frontend http_frontend"} <= set(listeners) <= known or len(set(listeners)) < len(
        listeners
    ):
        raise UnexpectedConfigurationError(f"Serve's HAProxy configuration listens in {listeners}")


def _die_with_parent(parent: int) -> None:
    """Makes the kernel end HAProxy with Serve's proxy manager, which can't do it when it is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)  # the parent ended before the call


def main(folder: str, host: str, binary: str, *arguments: str) -> None:
    """Edits the configuration, unless that is done already, and replaces this process with HAProxy."""
    _die_with_parent(os.getppid())
    config = Path(arguments[arguments.index("-f") + 1])
    text = config.read_text()
    if not text.startswith(_MARKER):
        error_files = {int(path.stem): path for path in Path(folder).glob("*.http")}
        config.write_text(edited(text, host, error_files))
    os.execv(binary, [binary, *arguments])  # noqa: S606  no shell


if __name__ == "__main__":
    main(*sys.argv[1:])

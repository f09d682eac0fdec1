"""HAProxy as Serve starts it, on Serve's configuration made ours. Standard library only: no environment.

Serve starts this file in HAProxy's place: `haproxy.py FOLDER HOST BINARY ARGUMENTS...`. HOST "" leaves
Serve's. FOLDER has the answers that HAProxy gives itself, one file a status (`503.http`).
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_OURS = "# Made Warmline's from Serve's own.\n"
_CLOSED_SECTIONS = ("frontend prometheus", "listen stats")
"""Both listen on all interfaces, on fixed ports. Serve itself asks over the admin socket."""
_DEFAULTS = (
    "    timeout http-request 30s",  # for the head of a request, which else may take an hour
    # A replica that dies on a connection used before has the client's closed without an answer.
    "    option http-server-close",
)
_PR_SET_PDEATHSIG = 1


class UnexpectedConfigurationError(Exception):
    """Serve's configuration is not the one this was written for, so what it opens is not known."""


def ours(config: str, host: str, answers: Mapping[int, Path]) -> str:
    """Serve's configuration with one TCP listener a frontend, a private admin socket and our answers.

    `host` is what the HTTP frontend listens on, "" what Serve says. `answers` are HAProxy error files by
    status. Raises UnexpectedConfigurationError.
    """
    sections = dict(_sections(config))
    for name in _CLOSED_SECTIONS:
        _required(sections, name)
        del sections[name]
    _edit(sections, "global", r"(stats socket \S+ mode) 666 ", r"\1 600 ")
    # Requests are in the replicas' log; HAProxy tells of servers that come and go.
    _edit(sections, "global", r"(    log .*) info$", r"\1 notice")
    _edit(sections, "backend default_backend", r"http-request return status 404 .*", _unavailable)
    if host:
        _edit(sections, "frontend http_frontend", r"(    bind) \S+:(\d+)$", rf"\1 {_bracketed(host)}:\2")
    kept = [line for line in _required(sections, "defaults") if not line.startswith("    errorfile ")]
    files = [f"    errorfile {status} {path}" for status, path in sorted(answers.items())]
    sections["defaults"] = [*kept, *_DEFAULTS, *files]
    _check_listeners(sections)
    lines = (line for name, body in sections.items() for line in (name, *body))
    return _OURS + "\n".join(lines) + "\n"


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
        raise UnexpectedConfigurationError(f"{count} lines in {name!r} look like {pattern!r} instead of one")
    sections[name] = edited.split("\n")


def _unavailable(_: re.Match[str]) -> str:
    """Until the application is there; it has every path then."""
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
    """A manager that is killed can't end HAProxy; the kernel does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)  # it had gone already


def main(folder: str, host: str, binary: str, *arguments: str) -> None:
    """Becomes HAProxy."""
    _die_with_parent(os.getppid())
    config = Path(arguments[arguments.index("-f") + 1])
    text = config.read_text()
    if not text.startswith(_OURS):
        answers = {int(path.stem): path for path in Path(folder).glob("*.http")}
        config.write_text(ours(text, host, answers))
    os.execv(binary, [binary, *arguments])  # noqa: S606  no shell


if __name__ == "__main__":
    main(*sys.argv[1:])

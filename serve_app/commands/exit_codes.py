"""How a command ends: its exit code, and one line about its error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from deployments.core import errors
from serve_app.commands.terminal import clean


class ExitCode(IntEnum):
    """The exit codes of `warmline`."""

    OK = 0
    FAILED = 1
    """An error of this machine, of its settings, or of the application."""
    USAGE = 2
    """Options or arguments are wrong."""
    UNREACHABLE = 3
    """No Warmline answers, or it is not ready, overloaded or too slow: try again later."""
    REFUSED = 4
    """The application refused the request: its key, its content, or an object that is not there."""
    LOST = 5
    """The running application lost a part of Ray that it can't replace: start it again."""
    INTERRUPTED = 130
    """Ctrl-C."""


MEANINGS = (
    "Exit codes: 0 done; 1 failed; 2 wrong options; 3 no Warmline answers, or it is busy; "
    "4 refused; 5 the application has ended by itself: start it again; 130 Ctrl-C."
)

_LATER = (errors.Unavailable, errors.Overloaded, errors.DeadlineExceeded)
_FAULTS = (errors.ConfigurationError, errors.InternalFault, errors.TokenizerRefused)


def exit_code(error: Exception) -> ExitCode:
    """The exit code of a command that an error ended."""
    if isinstance(error, _LATER):
        return ExitCode.UNREACHABLE
    if isinstance(error, errors.WarmlineError) and not isinstance(error, _FAULTS):
        return ExitCode.REFUSED
    return ExitCode.FAILED


@contextmanager
def exit_on_error(as_json: bool = False) -> Iterator[None]:
    """Ends the command on an error that its user can understand, with one line on stderr.

    The line is the error's message or, with `as_json`, the JSON of an HTTP error.
    """
    try:
        yield
    except (errors.WarmlineError, RuntimeError) as error:
        if isinstance(error, typer.Exit | typer.Abort):
            raise
        typer.echo(json.dumps(_body(error)) if as_json else f"warmline: {clean(_advice(error))}", err=True)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


class CommandGroup(TyperGroup):
    """Runs its commands under `exit_on_error`."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that the arguments name."""
        with exit_on_error():
            return super().invoke(ctx)


def _advice(error: Exception) -> str:
    message = str(error)
    if isinstance(error, errors.Unauthorized):
        return f"{message}. Set WARMLINE_KEY, or give --key"
    if isinstance(error, errors.Unavailable):
        return f"{message}. `warmline doctor` says what is wrong; --url or WARMLINE_URL names another server"
    return message


def _body(error: Exception) -> dict[str, Any]:
    code = error.code if isinstance(error, errors.WarmlineError) else errors.InternalFault.code
    param = error.param if isinstance(error, errors.WarmlineError) else None
    return {"error": {"message": str(error), "code": code, "param": param}}

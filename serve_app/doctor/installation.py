"""Checks of what the settings name on this machine: state directory, models, port, earlier starts."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from deployments.core.errors import ConfigurationError
from serve_app.client.connection import Connection
from serve_app.doctor.finding import Check, Finding, State, fail, ok, warn
from serve_app.doctor.server import reachable
from serve_app.local_models import embedded_llm
from serve_app.local_ray import sessions_folder
from serve_app.preflight import port_error
from serve_app.settings import Settings, variable
from serve_app.setup.models import embedded_embedding_model, folder_of, runs_on_cpu

_STATE_DIR = "state directory"
_ANOTHER = "set WARMLINE_STATE_DIR to a folder that belongs to you"


def settings_of(environ: Mapping[str, str]) -> tuple[Settings | None, Finding]:
    """The settings, None if they are wrong, and what was found."""
    try:
        settings = Settings.from_env(environ)
    except ConfigurationError as error:
        return None, fail(
            "settings", str(error), "correct or unset the variable; the README lists the settings"
        )
    given = [name for field in Settings.model_fields if environ.get(name := variable(field))]
    return settings, ok("settings", ", ".join(given) or "all defaults")


def checks(settings: Settings, here: Connection) -> list[tuple[str, Check]]:
    """The checks of the installation. `here` leads to the port of the settings."""
    return [
        ("state directory", lambda: state_dir(settings.state_dir)),
        ("model", lambda: model(settings)),
        ("embedding model", lambda: embedding_model(settings)),
        ("port", lambda: port(settings, here)),
        ("earlier starts", lambda: earlier_starts(sessions_folder(settings), Path("/proc"))),
    ]


def state_dir(folder: Path) -> Finding:
    """Whether the state directory belongs to this user, and to nobody else."""
    try:
        state = folder.stat()
    except FileNotFoundError:
        parent = next(one for one in folder.parents if one.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return ok(_STATE_DIR, f"{folder} will be made at the first start")
        return fail(_STATE_DIR, f"{folder} can't be made in {parent}", _ANOTHER)
    except OSError as error:
        return fail(_STATE_DIR, f"{folder} can't be used: {error.strerror}", _ANOTHER)
    if fault := _fault(state):
        return fail(_STATE_DIR, f"{folder} {fault}", _ANOTHER)
    mode = f"{folder} has mode {stat.S_IMODE(state.st_mode):03o}"
    if state.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        return fail(_STATE_DIR, f"{mode}: you can't write to it", f"chmod 700 {folder}")
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn(
            _STATE_DIR, f"{mode}: others can read it", f"chmod 700 {folder}, which the next start does"
        )
    return ok(_STATE_DIR, str(folder))


def _fault(state: os.stat_result) -> str | None:
    """Why something can't be a state directory; None if it can."""
    if not stat.S_ISDIR(state.st_mode):
        return "is not a folder"
    if state.st_uid != os.geteuid():
        return f"belongs to the user {state.st_uid}"
    return "is shared by all users" if state.st_mode & stat.S_ISVTX else None


def model(settings: Settings) -> Finding:
    """Whether the language model is on this machine. A converted one is complete or absent."""
    chosen = embedded_llm(settings)
    if chosen is not None:
        folder = folder_of(chosen, chosen.form_for(cpu=runs_on_cpu()), settings.models)
        if folder.is_dir():
            return ok("model", str(folder))
        return warn(
            "model",
            f"{chosen.title} is not in {settings.models}",
            "warmline setup downloads it, and so does serve",
        )
    return _named_model("model", settings.model or "", "WARMLINE_MODEL")


def embedding_model(settings: Settings) -> Finding:
    """Whether the embedding model is on this machine and has the right content."""
    if settings.embedding_model is not None:
        return _named_model("embedding model", settings.embedding_model, "WARMLINE_EMBEDDING_MODEL")
    return ok("embedding model", str(embedded_embedding_model()))


def _named_model(check: str, name: str, setting: str) -> Finding:
    if (Path(name) / "config.json").is_file():
        return ok(check, name)
    if Path(name).is_dir() or name.startswith(("/", ".", "~")):
        return fail(
            check,
            f"{name} has no config.json",
            f"set {setting} to a model's folder or its name on Hugging Face",
        )
    return warn(
        check,
        f"{name} is a name on Hugging Face",
        "nothing to do if this machine can reach the hub, or has the model in its cache",
    )


async def port(settings: Settings, here: Connection) -> Finding:
    """Whether the port is free, or Warmline answers there."""
    host, number = settings.http_host, settings.http_port
    reason = port_error(host, number)
    if reason is None:
        return ok("port", f"{host}:{number} is free; nothing is served there now")
    if (await reachable(here)).state is State.OK:
        return ok("port", f"Warmline answers on {host}:{number}")
    return fail(
        "port",
        f"{host}:{number}: {reason}, and Warmline does not answer there",
        "stop what uses it, or set WARMLINE_HTTP_PORT to another",
    )


def earlier_starts(folder: Path, processes: Path) -> Finding:
    """Whether Ray has left sessions of starts that have ended."""
    sessions = [one for one in folder.glob("session_*") if not one.is_symlink()]
    owners = {one: re.search(r"_(\d+)$", one.name) for one in sessions}
    over = [one for one, owner in owners.items() if owner and not (processes / owner[1]).exists()]
    if len(over) > 1:
        return warn(
            "earlier starts",
            f"Ray left {len(over)} sessions in {over[0].parent}",
            "nothing to do: the next start removes them",
        )
    return ok("earlier starts", f"{len(sessions) - len(over)} running")

"""Checks before the start: each failure is reported at once, with the setting to change."""

from __future__ import annotations

import shutil
import socket
import tempfile

from deployments.core.errors import ConfigurationError
from deployments.core.private_files import make_private
from serve_app.local_models import embedded_llm
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB, MEMORY_BYTES, memory_bytes
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.models import check_builds, runs_on_cpu

_STATE_BYTES = GIB
"""For converted models, the database and logs."""


def check(settings: Settings) -> None:
    """Raises ConfigurationError for the first of installed packages, state directory, memory and port that
    can't be used.
    """
    check_builds()
    _check_state_dir(settings)
    if not settings.engine_urls:
        _check_memory(embedded_llm(settings))
    _check_port(settings.http_host, settings.http_port)


def _check_state_dir(settings: Settings) -> None:
    state_dir = settings.state_dir
    make_private(state_dir)
    try:
        with tempfile.TemporaryFile(dir=state_dir):
            free = shutil.disk_usage(state_dir).free
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to the state directory {state_dir} ({error.strerror}). Set "
            "WARMLINE_STATE_DIR to one that can be written",
            "WARMLINE_STATE_DIR",
        ) from error
    if free < _STATE_BYTES:
        raise ConfigurationError(
            f"the state directory {state_dir} needs 1 GiB free, and there are {free / GIB:.1f}. Set "
            "WARMLINE_STATE_DIR to one with more room",
            "WARMLINE_STATE_DIR",
        )


def _check_memory(model: EmbeddedModel | None) -> None:
    memory = memory_bytes()
    if memory < MEMORY_BYTES:
        raise ConfigurationError(f"needs 6 GB of memory, and there are {memory / GIB:.1f} GiB")
    if model and runs_on_cpu() and memory < model.serving_bytes:
        raise ConfigurationError(
            f"{model.title} needs {model.serving_bytes / GIB:.0f} GiB of memory, and there are "
            f"{memory / GIB:.1f}. Set WARMLINE_MODEL to a smaller model, or leave it out for one that fits",
            "WARMLINE_MODEL",
        )


def _check_port(host: str, port: int) -> None:
    if reason := port_error(host, port):
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({reason}). Stop what uses it, or set "
            "WARMLINE_HTTP_PORT to another",
            "WARMLINE_HTTP_PORT",
        )


def port_error(host: str, port: int) -> str | None:
    """Why no server can listen there; None if one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None

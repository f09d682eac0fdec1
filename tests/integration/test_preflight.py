"""What would keep the application from starting is reported before it starts."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app import preflight
from serve_app.settings import Settings


def _settings(state_dir: Path, port: int = 18433) -> Settings:
    return Settings.from_env({}, state_dir=state_dir, http_port=port)


def test_a_taken_port_is_named_with_the_variable_that_changes_it(tmp_path: Path) -> None:
    """The check binds the port in the same way as the proxy will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port}.*WARMLINE_HTTP_PORT"):
            preflight.check(_settings(tmp_path, port))
    preflight.check(_settings(tmp_path, port))


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Here a file has its name."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/state.*WARMLINE_STATE_DIR"):
        preflight.check(_settings(tmp_path / "file" / "state"))


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the space that is free."""
    monkeypatch.setattr(preflight, "_STATE_BYTES", 2**60)
    with pytest.raises(ConfigurationError, match="GiB free"):
        preflight.check(_settings(tmp_path))


def test_too_little_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the kernel would kill the application while it starts."""
    monkeypatch.setattr(preflight, "memory_bytes", lambda: 2**30)
    with pytest.raises(ConfigurationError, match="6 GB of memory"):
        preflight.check(_settings(tmp_path))


def test_the_state_directory_is_made_private(tmp_path: Path) -> None:
    """Before anything is written into it, also if an earlier version left it open to others."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    preflight.check(_settings(state))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700

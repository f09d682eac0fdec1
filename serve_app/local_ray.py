"""Starts Ray and Serve for an application on one machine, on loopback, or joins a running cluster."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from deployments.core.errors import ConfigurationError
from serve_app.fast_path import variables
from serve_app.local_models import embedded_llm
from serve_app.logs import serve_logging
from serve_app.settings import Settings

_OBJECT_STORE_BYTES = 200 * 2**20
"""Serve passes requests by value and stores only its own state here."""
_LOGICAL_CPUS = 8
"""Minimum for Ray. Replicas reserve logical CPUs, and all of them must fit on a machine with two."""
_SOCKET_PATH_BYTES = 107
"""The kernel's limit for the path of a Unix socket."""
_SESSION_SOCKET = "session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"


def prepare_environment(settings: Settings) -> None:
    """Sets the variables that Ray, Serve and vLLM read when they are imported; existing values stay.

    Call it before the first import of `ray`, so that this process has them too and not only replicas.
    """
    defaults = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_LOOPBACK_IP": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "TOKENIZERS_PARALLELISM": "false",
        # Ray uses the loopback address for its own servers only if it expects no other nodes, as on
        # Windows and macOS. This variable makes it expect none.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Binds the gRPC servers of Serve's replicas to loopback.
        "RAY_preload_python_modules": "serve_app.loopback",
        **variables.in_any_mode(settings),
    }
    if "ray.serve" not in sys.modules:  # an imported Serve keeps its mode, which replicas must share
        defaults |= variables.switches(settings)
    if {**defaults, **os.environ}.get(variables.HAPROXY) != "1":
        defaults |= variables.without_haproxy()
    if embedded_llm(settings) and not settings.embedding_model:
        defaults["HF_HUB_OFFLINE"] = "1"  # embedded models need no hub once they are in their folders
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        # Other users of this machine can reach loopback. Without this, Ray writes a token to the home
        # folder.
        defaults["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    if "ray" not in sys.modules:  # an imported Ray has read it already, and enables tokens itself
        defaults["RAY_AUTH_MODE"] = "token"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Workers import `serve_app.loopback` before they receive this process's `sys.path`.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, dict.fromkeys(paths)))


def ensure_local_ray(settings: Settings) -> None:
    """Starts Ray on loopback and Serve's proxy, unless this process has joined a cluster.

    If RAY_ADDRESS is set, joins that cluster instead; its operator chooses addresses and ports.
    """
    import ray
    from ray import serve
    from ray._private import ray_constants

    if ray.is_initialized():
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(namespace="serve")
        return
    prepare_environment(settings)
    ray_constants.ENABLE_RAY_CLUSTER = False  # for a `ray` imported before the variable was set
    host = settings.http_host
    if os.environ.get(variables.HAPROXY) == "1" and variables.HAPROXY_SOCKET not in os.environ:
        _install_haproxy(settings)
        host = "127.0.0.1"  # for the replicas; only HAProxy listens on the configured host
    ray.init(
        address="local",
        namespace="serve",
        include_dashboard=False,
        num_cpus=max(os.cpu_count() or 1, _LOGICAL_CPUS),
        object_store_memory=_OBJECT_STORE_BYTES,
        _temp_dir=str(_make_private(sessions_folder(settings))),
    )
    http = {"host": host, "port": settings.http_port}
    serve.start(http_options=http, logging_config=serve_logging(settings))


def _install_haproxy(settings: Settings) -> None:
    """Gives HAProxy files, sockets and ports that no other start uses."""
    folder = _haproxy_folder(settings, str(os.getpid()))
    variables.install(folder, settings.http_host)
    for name, value in (variables.with_haproxy(settings, folder) | variables.random_ports()).items():
        os.environ.setdefault(name, value)


def exports(settings: Settings) -> dict[str, str]:
    """The fast path's variables for a Ray that the operator starts, on each of its nodes.

    HAProxy listens on the host of the Serve configuration, and replicas use Serve's default ports.
    """
    common = variables.in_any_mode(settings) | variables.switches(settings) | variables.between_hosts()
    if not settings.fast_path:
        return common | variables.without_haproxy()
    folder = _haproxy_folder(settings, "node")
    variables.install(folder, "")
    return common | variables.with_haproxy(settings, folder)


def _haproxy_folder(settings: Settings, start: str) -> Path:
    longest = f"{start}/{variables.LONGEST_SOCKET_NAME}"
    folder = _make_private(_socket_folder(settings, "h", longest)) / start
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sessions_folder(settings: Settings) -> Path:
    """The folder in which Ray makes a folder of sockets and logs for each start."""
    return _socket_folder(settings, "s", _SESSION_SOCKET)


def _socket_folder(settings: Settings, name: str, longest: str) -> Path:
    """A folder for sockets in the state directory, or in the temporary one if paths get too long.

    `longest` is the longest relative path of a socket in it.
    """
    folder = settings.state_dir / "ray" / name
    if len(str(folder / longest)) > _SOCKET_PATH_BYTES:
        folder = Path(tempfile.gettempdir()) / f"warmline-{os.getuid()}" / name
    return folder


def _make_private(folder: Path) -> Path:
    """Makes the parent of `folder` accessible to this user only, and removes what earlier starts left.

    Ray and Serve let all users read the folders that they make. Logs of the last start stay until the
    next one. Raises ConfigurationError if the parent belongs to another user.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != os.getuid():
        raise ConfigurationError(
            f"{folder.parent} is a link or belongs to another user: remove it, or set "
            "WARMLINE_STATE_DIR to another folder"
        )
    folder.parent.chmod(0o700)
    for start in folder.glob("*"):
        _remove_if_over(start)
    return folder


def _remove_if_over(start: Path) -> None:
    owner = re.search(r"(?:^|_)(\d+)$", start.name)
    if start.is_symlink():
        start.unlink()  # `session_latest`, which Ray makes but does not renew
    elif owner and not Path("/proc", owner[1]).exists():
        shutil.rmtree(start, ignore_errors=True)

"""Ray for an application on one machine: a cluster of its own, on loopback, ended with its owner."""

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
from serve_app.settings import Settings

_OBJECT_STORE_BYTES = 200 * 2**20
"""Serve passes requests by value; the store is for what it publishes about itself."""
_LOGICAL_CPUS = 8
"""At least. Replicas ask for logical CPUs, and a machine with two must hold the whole graph."""
_SOCKET_PATH_BYTES = 107
_SESSION_SOCKET = "session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"


def prepare_environment(settings: Settings) -> None:
    """Sets what Ray, Serve and vLLM read when they are imported. What the caller has set wins.

    Call it before the first import of `ray`: then it holds for this process as well as for replicas.
    """
    defaults = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_LOOPBACK_IP": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "TOKENIZERS_PARALLELISM": "false",
        # Ray takes its loopback address for itself only where it thinks it can't have other nodes,
        # as on Windows and macOS; then its own servers bind to loopback.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # And the servers of Serve's replicas by this.
        "RAY_preload_python_modules": "serve_app.loopback",
        **variables.always(settings),
    }
    if "ray.serve" not in sys.modules:  # or this process would take another path than its replicas
        defaults |= variables.switches(settings)
    if {**defaults, **os.environ}.get(variables.HAPROXY) != "1":
        defaults |= variables.without_haproxy()
    if embedded_llm(settings) and not settings.embedding_model:
        defaults["HF_HUB_OFFLINE"] = "1"  # embedded models are in their folders by now
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        # Other users of this machine can reach loopback. Ray would write its token to the home folder.
        defaults["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    if "ray" not in sys.modules:  # which else has made up its mind, and enables tokens by itself
        defaults["RAY_AUTH_MODE"] = "token"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Workers import `serve_app.loopback` before they learn this process's own path.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, dict.fromkeys(paths)))


def ensure_local_ray(settings: Settings) -> None:
    """Starts Ray and Serve's proxy on loopback, unless this process has joined a cluster or is to.

    With RAY_ADDRESS it joins that cluster, whose addresses and ports are its operator's business.
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
    ray_constants.ENABLE_RAY_CLUSTER = False  # the variable above, for a `ray` imported before it was
    host = settings.http_host
    if os.environ.get(variables.HAPROXY) == "1" and variables.HAPROXY_SOCKET not in os.environ:
        _install_haproxy(settings)
        host = "127.0.0.1"  # HAProxy alone listens where it was asked to; replicas behind it do not
    ray.init(
        address="local",
        namespace="serve",
        include_dashboard=False,
        num_cpus=max(os.cpu_count() or 1, _LOGICAL_CPUS),
        object_store_memory=_OBJECT_STORE_BYTES,
        _temp_dir=str(_make_private(sessions_folder(settings))),
    )
    serve.start(http_options={"host": host, "port": settings.http_port})


def _install_haproxy(settings: Settings) -> None:
    """HAProxy with files, sockets and ports of this start's own."""
    folder = _haproxy_folder(settings, str(os.getpid()))
    variables.install(folder, settings.http_host)
    for name, value in (variables.with_haproxy(settings, folder) | variables.ports_of_our_own()).items():
        os.environ.setdefault(name, value)


def exports(settings: Settings) -> dict[str, str]:
    """The fast path's variables for a Ray that somebody else starts, on each of its nodes.

    There HAProxy listens where the Serve configuration says, and the ports are Serve's own.
    """
    common = variables.always(settings) | variables.switches(settings)
    if not settings.fast_path:
        return common | variables.without_haproxy()
    folder = _haproxy_folder(settings, "node")
    variables.install(folder, "")
    return common | variables.with_haproxy(settings, folder)


def _haproxy_folder(settings: Settings, start: str) -> Path:
    folder = _make_private(_short(settings, "h", f"{start}/{variables.SOCKET_IN_FOLDER}")) / start
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sessions_folder(settings: Settings) -> Path:
    """Where Ray keeps a folder of sockets and logs for each start."""
    return _short(settings, "s", _SESSION_SOCKET)


def _short(settings: Settings, name: str, longest: str) -> Path:
    """A folder in the state directory, for sockets up to `longest` in it.

    Paths of sockets are short by law of the kernel; under a deep state directory they go to the
    temporary directory instead.
    """
    folder = settings.state_dir / "ray" / name
    if len(str(folder / longest)) > _SOCKET_PATH_BYTES:
        folder = Path(tempfile.gettempdir()) / f"warmline-{os.getuid()}" / name
    return folder


def _make_private(folder: Path) -> Path:
    """Ray and Serve open their folders to everybody; the one above is ours. Ends earlier starts' leftovers.

    The last start's logs stay until the next one. Raises ConfigurationError where the folder is
    somebody else's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != os.getuid():
        raise ConfigurationError(f"{folder.parent} belongs to somebody else: remove it")
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

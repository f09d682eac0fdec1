"""Builds the application from the environment, for `warmline serve`, `serve run` and tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any, get_args

import ray
from pydantic import SecretStr
from ray.serve import Application

from deployments.core.errors import ConfigurationError
from deployments.core.private_files import make_private
from deployments.core.salt import load_secret
from serve_app.local_models import embedded_llm, local_models
from serve_app.local_ray import ensure_local_ray
from serve_app.settings import Settings, variable
from serve_app.wiring import build_graph

log = logging.getLogger("ray.serve")

_SECRETS = frozenset(
    name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)
)
_SERVERS = """\
Engines: the vLLM servers %s. They differ from engines that are started here:
- A full KV cache gives up the oldest blocks, also those of documents (no WARMLINE_EVICTION).
- An answer's `prefill` time has the time in the server's queue in it.
- Tenants take turns for WARMLINE_ENGINE_MAX_ONGOING requests of a server; what waits inside it is served in
  turns only with --scheduling-policy priority.
- JSON by a schema may have whitespace between its values, unless the server is started with
  --structured-outputs-config '{"backend": "guidance", "disable_any_whitespace": true}'.
- Prompts and cache salts cross the network: use https, or a private network."""


def build(args: dict[str, str]) -> Application:
    """The application, configured by the environment and by `args` (field name -> value), which win.

    Starts Ray on loopback, unless this process has joined a cluster. Raises ConfigurationError, also for a
    secret in `args`.
    """
    _refuse_secrets(args)
    settings = Settings.from_env(os.environ, **args)
    make_private(settings.state_dir)
    if ray.is_initialized() or os.environ.get("RAY_ADDRESS"):
        ensure_local_ray(settings)  # joins the cluster
        _check_cluster(settings, sum(node["Alive"] for node in ray.nodes()))
    else:
        local_models(settings, log.info)  # before Ray starts, so that a failure is reported at once
    ensure_local_ray(settings)
    settings = settings.model_copy(update=_same_on_all_nodes(settings))
    if servers := settings.engine_servers():
        log.info(_SERVERS, ", ".join(servers))
    secret = settings.secret.get_secret_value() if settings.secret else None
    return build_graph(settings, load_secret(secret, settings.state_dir))


def _same_on_all_nodes(settings: Settings) -> dict[str, Any]:
    """What unset settings of the model and its GPUs mean, which nodes would answer differently."""
    chosen: dict[str, Any] = {}
    if embedded := embedded_llm(settings):
        chosen["model"] = embedded.name
    if settings.engine_gpus is None:
        chosen["engine_gpus"] = 1 if ray.cluster_resources().get("GPU") else 0
    return chosen


def _refuse_secrets(args: Iterable[str]) -> None:
    if secrets := sorted(_SECRETS.intersection(args)):
        names = ", ".join(map(variable, secrets))
        raise ConfigurationError(
            f"{', '.join(secrets)} can't be an argument, since Serve logs arguments: set {names} in the "
            "environment, and replace a secret that was valid",
            names,
        )


def _check_cluster(settings: Settings, nodes: int) -> None:
    """Raises ConfigurationError if a cluster of several nodes lacks a setting that all nodes must share.

    One machine has these in its state directory. On a cluster, SQLite's file would stay on its node when
    the knowledge base moves to another. A single node may be the first one of a cluster, so that a warning
    names what is missing.
    """
    missing = [
        name
        for name, value in (
            ("REDIS_URL", settings.redis_url),
            ("DATABASE_URL", settings.database_url if settings.on_postgresql else None),
            ("WARMLINE_SECRET", settings.secret),
            ("WARMLINE_MODEL", settings.model),  # the default depends on the machine
        )
        if value is None
    ]
    if missing and nodes > 1:
        raise ConfigurationError(
            f"a cluster of {nodes} nodes needs {', '.join(missing)}: set them on each node, since Ray may "
            "build the application on any"
        )
    if missing:
        log.warning(
            "Ray has one node now. Before a second one joins, set %s and deploy again", ", ".join(missing)
        )
    for field in ("model", "embedding_model"):
        if os.path.isabs(getattr(settings, field) or ""):
            log.warning("%s is a folder, which each node must have", variable(field))

"""What keeps an application from being built, before anything starts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.building import _check_cluster, build
from serve_app.settings import Settings

WHOLE = {
    "REDIS_URL": "redis://cache",
    "DATABASE_URL": "postgresql://db/warmline",
    "WARMLINE_SECRET": "0123456789abcdef",
    "WARMLINE_MODEL": "some/model",
}


@pytest.mark.parametrize(
    ("argument", "variable"),
    [
        ("redis_url", "REDIS_URL"),
        ("database_url", "DATABASE_URL"),
        ("secret", "WARMLINE_SECRET"),
        ("api_keys", "WARMLINE_API_KEYS"),
    ],
)
def test_a_secret_is_no_argument(argument: str, variable: str, tmp_path: Path) -> None:
    """Serve writes arguments to its log. The error names the variable, not the value."""
    harmless = {"state_dir": str(tmp_path), "model": "some/model", "embedding_model": "some/model"}
    with pytest.raises(ConfigurationError, match=f"{argument} can't be an argument.*{variable}") as refused:
        build({argument: "hunter2", **harmless})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("missing", [["REDIS_URL"], ["DATABASE_URL", "WARMLINE_SECRET"], []])
def test_a_cluster_needs_what_its_nodes_share(missing: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """A single node may be the first of a cluster: it gets a warning."""
    caplog.set_level(logging.WARNING, "ray.serve")
    settings = Settings.from_env({name: value for name, value in WHOLE.items() if name not in missing})
    _check_cluster(settings, nodes=1)
    assert [name for name in WHOLE if name in caplog.text] == missing
    if missing:
        with pytest.raises(ConfigurationError, match=", ".join(missing)):
            _check_cluster(settings, nodes=2)
    else:
        _check_cluster(settings, nodes=2)


def test_a_cluster_can_use_an_embedded_model(caplog: pytest.LogCaptureFixture) -> None:
    """Each node makes it in a folder of its own. Only the name must be said: the default fits one machine."""
    caplog.set_level(logging.WARNING, "ray.serve")
    _check_cluster(Settings.from_env(WHOLE | {"WARMLINE_MODEL": "smollm2-135m"}), nodes=2)
    assert caplog.text == ""


def test_a_models_folder_must_be_on_each_node(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can check that from here, so the log says it."""
    caplog.set_level(logging.WARNING, "ray.serve")
    _check_cluster(Settings.from_env(WHOLE | {"WARMLINE_MODEL": "/models/mine"}), nodes=2)
    assert "WARMLINE_MODEL is a folder" in caplog.text

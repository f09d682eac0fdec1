"""Keeps the index of the sample knowledge between runs: embedding the samples takes a minute or two."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import deployments.database
import deployments.knowledge
import deployments.records
from tests.bench.harness.surroundings import model_dir

DATABASE = "warmline.db"
_INPUTS = (deployments.knowledge, deployments.records, deployments.database)
"""Packages whose code and samples decide what is in the index."""


def copy_to(state_dir: Path) -> bool:
    """Copies the kept index to a new state directory. Returns False if there is none."""
    kept = _kept()
    if kept.exists():
        shutil.copyfile(kept, state_dir / DATABASE)
    return kept.exists()


def keep(state_dir: Path) -> None:
    """Keeps the index of a state directory, whose database may be open."""
    kept = _kept()
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(state_dir / DATABASE)) as source,
        closing(sqlite3.connect(partial)) as target,
    ):
        source.backup(target)
    partial.replace(kept)


def _kept() -> Path:
    digest = sha256()
    for package in _INPUTS:
        for file in sorted(Path(package.__file__ or "").parent.rglob("*")):
            if file.suffix in {".py", ".md", ".json", ".mako"}:
                digest.update(file.name.encode() + file.read_bytes())
    return model_dir() / f"bench-samples-{digest.hexdigest()[:16]}.db"

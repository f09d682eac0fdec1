"""Documents of corpora, and the vectors that are kept for them."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from deployments.core.ids import Fingerprint
from tests.bench.harness.corpora import Corpus, Pages, available, documents, page_id
from tests.bench.harness.kept_vectors import KeptVectors

CORPUS = Corpus("a", "documentation", (Pages("a-doc", "share/html", ("guide/*.html", "guide/b*.html")),))


class _Embedder:
    """Counts what it embeds."""

    fingerprint = Fingerprint("2-test")
    dimensions = 2

    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def embed_documents(self, texts: list[str]) -> np.ndarray:
        self.embedded += texts
        return np.array([[len(text), 1] for text in texts], np.float32)


async def test_a_text_is_embedded_once_also_in_the_next_run(tmp_path: Path) -> None:
    """The rows come in the order of the texts."""
    embedder, later = _Embedder(), _Embedder()
    with closing(KeptVectors(embedder, tmp_path)) as kept:  # type: ignore[arg-type]
        await kept.embed_documents(["one", "three", "one"])
    with closing(KeptVectors(later, tmp_path)) as kept:  # type: ignore[arg-type]
        found = await kept.embed_documents(["three", "seven", "one"])
    assert (embedder.embedded, later.embedded) == (["one", "three"], ["seven"])
    assert found[:, 0].tolist() == [5, 5, 3]


def test_pages_are_read_once_and_named_after_their_paths(tmp_path: Path) -> None:
    """A page that two patterns match is one document."""
    folder = tmp_path / "a-doc/share/html/guide"
    folder.mkdir(parents=True)
    for name in ("a.html", "b.html", "c.txt"):
        (folder / name).write_text(f"<p>{name}</p>")
    drafts = list(documents(CORPUS, "documentation", tmp_path))
    assert [draft.doc_id for draft in drafts] == ["guide:a", "guide:b"]
    assert page_id("guide/b.html") == drafts[1].doc_id


def test_without_apt_a_corpus_that_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The samples are always there; the message names the missing folder."""
    monkeypatch.setattr(shutil, "which", Mock(return_value=None))
    samples = Corpus("samples", "support")
    assert available([samples, CORPUS], tmp_path) == [samples]
    assert "no folder a-doc" in capsys.readouterr().out
    (tmp_path / "a-doc").mkdir()
    assert available([samples, CORPUS], tmp_path) == [samples, CORPUS]

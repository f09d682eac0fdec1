"""`warmline ingest`: files become documents, and stay equal to them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.core.errors import Overloaded, UnprocessableDocument
from deployments.core.ids import DocId
from serve_app.commands import ingest_transfer
from tests.unit.commands.conftest import Warmline, documents, scope, shown
from tests.unit.serve_app.fake_services import Api


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `docs` in the current one, with two files that are to be stored and some that are not."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "docs"
    write(folder / "intro.md", "# Intro")
    write(folder / "guides" / "setup.md", "# Setup")
    write(folder / "logo.png", "no document")
    write(folder / ".git" / "notes.md", "hidden")
    write(folder / ".draft.md", "hidden")
    return folder


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_transfer, "_RETRIES_S", (0.0, 0.0))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folders_files_are_stored_under_their_relative_paths(
    warmline: Warmline, api: Api, docs: Path
) -> None:
    """Those of known types, without hidden ones."""
    outcome = shown(warmline("ingest", "docs", "--json"))
    assert sorted(outcome["added"]) == ["docs/guides/setup.md", "docs/intro.md"]
    assert documents(api) == {"docs/guides/setup.md": "# Setup", "docs/intro.md": "# Intro"}


def test_files_of_unknown_types_are_counted(warmline: Warmline, docs: Path) -> None:
    """By extension, so that a type that somebody misses is seen. Hidden files are nobody's."""
    write(docs / "Makefile", "all:")
    assert "unknown types: 1 without extension, 1 .png" in warmline("ingest", "docs").stderr
    assert "unknown types" not in warmline("ingest", "docs/guides").stderr


def test_only_changed_files_are_sent_again(warmline: Warmline, api: Api, docs: Path) -> None:
    """The server has the digest of each file; a touched file is the same file."""
    warmline("ingest", "docs")
    (docs / "intro.md").touch()
    write(docs / "guides" / "setup.md", "# Setup, again")
    outcome = shown(warmline("ingest", "docs", "--json"))
    assert (outcome["changed"], outcome["added"], outcome["unchanged"]) == (["docs/guides/setup.md"], [], 1)
    assert len(api.library.drafts) == 3


def test_a_document_that_was_stored_otherwise_is_replaced(warmline: Warmline, api: Api, docs: Path) -> None:
    """It has no digest of a file."""
    warmline("ingest", "docs")
    name = scope("support_kb"), DocId("docs/intro.md")
    api.library.documents[name] = replace(api.library.documents[name], metadata={})
    assert shown(warmline("ingest", "docs", "--json"))["changed"] == ["docs/intro.md"]


def test_an_interrupted_command_goes_on_where_it_stopped(warmline: Warmline, api: Api, docs: Path) -> None:
    """What was stored before is not sent again."""
    warmline("ingest", "docs/intro.md")
    outcome = shown(warmline("ingest", "docs", "--json"))
    assert (outcome["added"], outcome["unchanged"]) == (["docs/guides/setup.md"], 1)


def test_ids_are_relative_to_the_root(warmline: Warmline, api: Api, docs: Path) -> None:
    """A path outside of it is refused, with the option that helps."""
    warmline("ingest", str(docs), "--root", str(docs))
    assert set(documents(api)) == {"guides/setup.md", "intro.md"}
    assert "--root" in warmline("ingest", str(docs), "--root", str(docs / "guides"), code=2).output


def test_globs_choose_files(warmline: Warmline, api: Api, docs: Path) -> None:
    """Without the shell's help; one that matches nothing is a usage error."""
    warmline("ingest", "docs/**/*.md")
    assert set(documents(api)) == {"docs/guides/setup.md", "docs/intro.md"}
    assert "known type" in warmline("ingest", "docs/*.pdf", code=2).output


def test_what_does_not_exist_is_a_usage_error(warmline: Warmline, docs: Path) -> None:
    """With its name."""
    assert "doc/intro.md" in warmline("ingest", "doc/intro.md", code=2).output


def test_prune_removes_what_is_gone_from_the_given_folders_only(
    warmline: Warmline, api: Api, docs: Path, tmp_path: Path
) -> None:
    """Documents of other folders, and those that were not ingested, stay."""
    write(tmp_path / "other" / "a.md", "# A")
    warmline("ingest", "docs", "other")
    by_hand = DocId("docs/by-hand.md")
    document = api.library.documents[scope("support_kb"), DocId("docs/intro.md")]
    api.library.documents[scope("support_kb"), by_hand] = replace(document, doc_id=by_hand, metadata={})
    (docs / "guides" / "setup.md").unlink()
    (tmp_path / "other" / "a.md").unlink()
    assert shown(warmline("ingest", "docs", "--json"))["removed"] == []
    outcome = shown(warmline("ingest", "docs", "--prune", "--json"))
    assert outcome["removed"] == ["docs/guides/setup.md"]
    assert set(documents(api)) == {"docs/intro.md", "docs/by-hand.md", "other/a.md"}
    assert "--prune" in warmline("ingest", "docs/*.md", "--prune", code=2).output


def test_prune_removes_nothing_if_no_file_is_there(warmline: Warmline, api: Api, docs: Path) -> None:
    """A folder that is not mounted looks so."""
    warmline("ingest", "docs")
    shutil.rmtree(docs)
    docs.mkdir()
    warmline("ingest", "docs", "--prune", code=2)
    assert len(documents(api)) == 2


def test_a_refused_file_is_told_with_its_reason_and_the_others_are_stored(
    warmline: Warmline, api: Api, docs: Path
) -> None:
    """The exit code says so, too."""
    write(docs / "empty.md", " ")
    write(docs / "a\\b.md", "# No id may have a backslash")
    outcome = shown(warmline("ingest", "docs", "--json", code=4))
    assert set(outcome["refused"]) == {"docs/empty.md", "docs/a\\b.md"}
    assert "no text" in outcome["refused"]["docs/empty.md"]
    assert len(outcome["added"]) == 2
    assert "refused docs/empty.md: " in warmline("ingest", "docs", code=4).stdout


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    warmline: Warmline, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit."""
    monkeypatch.setattr(ingest_transfer, "_MAX_FILE_BYTES", 5)
    assert "more than 5" in shown(warmline("ingest", "docs", "--json", code=4))["refused"]["docs/intro.md"]


class Flaky:
    """Raises `faults` in turn, then stores."""

    def __init__(self, api: Api, *faults: Exception) -> None:
        self._put = api.library.put
        self._faults = list(faults)
        api.library.put = self  # type: ignore[method-assign,assignment]

    async def __call__(self, *given: object) -> object:
        if self._faults:
            raise self._faults.pop()
        return await self._put(*given)  # type: ignore[arg-type]


def test_a_busy_server_is_asked_again(warmline: Warmline, api: Api, docs: Path) -> None:
    """A few times; a refusal is not repeated."""
    Flaky(api, Overloaded("later"), Overloaded("later"))
    assert len(shown(warmline("ingest", "docs", "--json"))["added"]) == 2


def test_a_server_that_stays_busy_ends_the_command(warmline: Warmline, api: Api, docs: Path) -> None:
    """With the exit code that says: again later."""
    Flaky(api, *[Overloaded("later")] * 20)
    assert "later" in warmline("ingest", "docs", code=3).stderr


def test_a_refusal_is_not_repeated(warmline: Warmline, api: Api, docs: Path) -> None:
    """It would be the same."""
    Flaky(api, UnprocessableDocument("no"))
    outcome = shown(warmline("ingest", "docs", "--json", code=4))
    assert (len(outcome["refused"]), len(outcome["added"])) == (1, 1)


def test_a_refused_file_is_named_once(warmline: Warmline, api: Api, docs: Path) -> None:
    """Although the server's message begins with its id, which a request with several documents needs."""
    Flaky(api, UnprocessableDocument("document docs/intro.md: it has no pages"))
    assert "refused docs/intro.md: it has no pages" in warmline("ingest", "docs/intro.md", code=4).stdout


def test_changes_are_followed(
    warmline: Warmline, api: Api, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New and changed files are stored, and with --prune deleted ones removed, until Ctrl-C."""

    async def changes(*places: Path, **_: object) -> object:
        assert places == (docs,)
        write(docs / "new.md", "# New")
        (docs / "intro.md").unlink()
        Flaky(api, *[Overloaded("later")] * 3)
        yield {(1, str(docs / "new.md")), (3, str(docs / "intro.md"))}
        assert "docs/new.md" not in documents(api)
        yield set()  # no change: what failed is sent again
        write(docs / "new.md", "# Newer")
        yield set()  # what was sent is sent again only after it has changed
        raise KeyboardInterrupt

    monkeypatch.setattr("watchfiles.awatch", changes)
    warmline("ingest", "docs", "--watch", "--prune", code=130)
    assert documents(api) == {"docs/guides/setup.md": "# Setup", "docs/new.md": "# New"}

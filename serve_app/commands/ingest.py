"""`warmline ingest`: files and folders become documents of a collection, and follow changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.agents.specs import SUPPORT
from deployments.core.documents import EXTENSIONS
from deployments.core.errors import InvalidRequest, Overloaded, Unavailable
from serve_app.commands.documents import path_of
from serve_app.commands.exit_codes import ExitCode
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import clean

if TYPE_CHECKING:
    from rich.console import Console

    from serve_app.commands.ingest_files import Selection
    from serve_app.commands.ingest_transfer import Outcome, Transfer

_PAGE = 500
_SHOWN = 20
"""Ids of each kind that are listed; JSON has all."""
_RETRY_MS = 5_000
"""How soon changes are sent again that the server could not take."""


@over_http
async def ingest(
    server: Server,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders, and globs in quotes.")
    ],
    *,
    collection: Annotated[str, typer.Option(help="Where to store them.")] = SUPPORT.collection,
    root: Annotated[
        Path, typer.Option(help="Ids are paths relative to this folder.", file_okay=False)
    ] = Path(),
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove ingested documents whose files are gone from the given PATHs."),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and follow changes until Ctrl-C.")] = False,
) -> None:
    """Stores files as documents. Unchanged files are skipped, so it can be interrupted and run again."""
    from serve_app.commands.ingest_transfer import Transfer

    selection = _selected(paths, root)
    files = selection.files()
    if not (files or watch):
        raise typer.BadParameter(
            f"there is no file of a known type: {' '.join(EXTENSIONS)}", param_hint="PATH"
        )
    if prune and selection.patterns:
        raise typer.BadParameter("needs files and folders, not globs", param_hint="--prune")
    if skipped := selection.skipped():
        kinds = ", ".join(f"{count} {kind or 'without extension'}" for kind, count in sorted(skipped.items()))
        server.terminal.side_console.print(f"skipping files of unknown types: {kinds}", soft_wrap=True)
    documents = path_of(collection)
    transfer = Transfer(server.connection, documents)
    async for document in server.items(documents, "documents", page=_PAGE):
        transfer.learn(document)
    gone = _gone(transfer, selection, files) if prune else []
    with _progress(server, len(files)) as advance:
        outcome = await transfer.sync(files, gone, advance)
    _show(server, outcome)
    if watch:
        await _follow(server, selection, transfer, prune)
    if outcome.refused:
        raise typer.Exit(ExitCode.REFUSED)


def _selected(paths: list[str], root: Path) -> Selection:
    from serve_app.commands.ingest_files import Selection

    try:
        return Selection.of(paths, root)
    except InvalidRequest as error:
        raise typer.BadParameter(str(error), param_hint="PATH") from None


def _gone(transfer: Transfer, selection: Selection, files: Collection[str]) -> list[str]:
    """Documents that came from the selected folders, and whose files are no longer there.

    None if no file at all is there: a folder that is not mounted looks like this.
    """
    if not files:
        return []
    return [doc_id for doc_id in transfer.ingested() if selection.covers(doc_id) and doc_id not in files]


async def _follow(server: Server, selection: Selection, transfer: Transfer, prune: bool) -> None:
    """Sends changed files until the command is interrupted. What fails is sent again later."""
    from watchfiles import awatch

    places = selection.paths or (selection.root,)
    server.terminal.side_console.print("Watching for changes; Ctrl-C ends it")
    changed: set[Path] = set()
    async for changes in awatch(*places, rust_timeout=_RETRY_MS, yield_on_timeout=True):
        changed |= {Path(path) for _, path in changes}
        if not changed:
            continue
        files = selection.files()
        gone = _gone(transfer, selection, files) if prune else []
        try:
            outcome = await transfer.sync(
                {doc_id: path for doc_id, path in files.items() if path in changed}, gone
            )
        except (Unavailable, Overloaded) as error:
            server.terminal.side_console.print(f"warmline: {clean(error)}; trying again")
            continue
        changed.clear()
        if outcome:
            _show(server, outcome)


@contextmanager
def _progress(server: Server, files: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, if that is a terminal; yields what advances it by one file."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("Storing", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = server.terminal.side_console
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=files)
        yield lambda: progress.advance(task)


def _show(server: Server, outcome: Outcome) -> None:
    server.terminal.show(asdict(outcome), lambda console: _draw(console, outcome))


def _draw(console: Console, outcome: Outcome) -> None:
    for mark, ids in (("+", outcome.added), ("~", outcome.changed), ("-", outcome.removed)):
        for doc_id in ids[:_SHOWN]:
            console.print(f"{mark} {clean(doc_id)}", soft_wrap=True)
        if len(ids) > _SHOWN:
            console.print(f"{mark} and {len(ids) - _SHOWN} more; --json lists all")
    for doc_id, warnings in outcome.warnings.items():
        console.print(f"! {clean(doc_id)}: {clean(' '.join(warnings))}", soft_wrap=True)
    for doc_id, reason in outcome.refused.items():
        console.print(f"refused {clean(doc_id)}: {clean(reason)}", soft_wrap=True)
    console.print(
        f"{len(outcome.added)} added, {len(outcome.changed)} changed, {outcome.unchanged} unchanged, "
        f"{len(outcome.removed)} removed, {len(outcome.refused)} refused"
    )

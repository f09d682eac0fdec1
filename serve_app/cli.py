"""The command line: `warmline`."""

from __future__ import annotations

import typer

from serve_app.commands import bench, cache, documents, keys, tickets
from serve_app.commands.ask import ask
from serve_app.commands.deploy import deploy, rollback
from serve_app.commands.doctor import doctor
from serve_app.commands.erase import erase
from serve_app.commands.exit_codes import MEANINGS, CommandGroup
from serve_app.commands.ingest import ingest
from serve_app.commands.serve import fast_path, serve, setup

app = typer.Typer(
    cls=CommandGroup,
    help="Sets up, serves, fills, asks and checks Warmline. Its settings are environment variables.",
    epilog=MEANINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(setup)
app.command()(serve)
app.command()(ask)
app.command()(ingest)
app.add_typer(documents.app, name="documents")
app.add_typer(cache.app, name="cache")
app.add_typer(tickets.app, name="tickets")
app.add_typer(keys.app, name="keys")
app.command()(keys.audit)
app.command()(erase)
app.command()(doctor)
app.command()(fast_path)
app.command()(deploy)
app.command()(rollback)
app.command(context_settings=bench.ANY_OPTIONS)(bench.bench)


def main() -> None:
    """Runs the command that the arguments name, and exits with an `ExitCode`."""
    app()

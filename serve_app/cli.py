"""Sets up, serves and measures Warmline. Environment variables configure it: see the README."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from deployments.core.errors import ConfigurationError
from deployments.core.private_files import make_private
from serve_app import preflight
from serve_app.local_models import local_models
from serve_app.local_ray import exports, prepare_environment
from serve_app.settings import Settings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def setup() -> None:
    """Downloads and converts the models, unless that is done already."""
    settings = Settings.from_env(os.environ)
    make_private(settings.state_dir)
    models = local_models(settings, typer.echo)
    typer.echo(f"Models are ready: {models.llm}, {models.embedding}")


@app.command()
def serve() -> None:
    """Serves the application until Ctrl-C."""
    settings = Settings.from_env(os.environ)
    preflight.check(settings)
    local_models(settings, typer.echo)  # before `prepare_environment` switches the model hub off
    prepare_environment(settings)
    # Replicas log to files; the terminal shows only this process's messages and failures.
    os.environ.setdefault("RAY_LOG_TO_DRIVER", "0")
    from serve_app.foreground import run  # imports Ray, which reads the environment set above

    run(settings, typer.echo)


@app.command()
def fast_path() -> None:
    """Prints the fast path's variables, for a Ray that you start: eval "$(warmline fast-path)"."""
    settings = Settings.from_env(os.environ)
    make_private(settings.state_dir)
    typer.echo(
        "\n".join(f"export {shlex.join([name + '=' + value])}" for name, value in exports(settings).items())
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Runs the benchmark. Options: --short, --only PART,..., --peer NAME=URL and --seed N."""
    checkout = Path(__file__).parents[1]
    if not (checkout / "tests" / "bench" / "run.py").exists():
        raise ConfigurationError("an installed package has no benchmark: run `make bench` in a checkout")
    if find_spec("matplotlib") is None:
        raise ConfigurationError("the benchmark's packages are not installed: run `make bench` instead")
    os.chdir(checkout)
    os.execv(sys.executable, [sys.executable, "-m", "tests.bench.run", *context.args])  # noqa: S606  no shell


def main() -> None:
    """Runs the command. Prints errors that the user can fix without a traceback, and exits with 1."""
    try:
        app()
    except (ConfigurationError, RuntimeError) as error:
        typer.echo(f"warmline: {error}", err=True)
        raise SystemExit(1) from None

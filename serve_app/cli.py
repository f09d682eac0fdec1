"""The command `warmline`."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from deployments.core.errors import ConfigurationError
from serve_app import preflight
from serve_app.local_models import local_models
from serve_app.local_ray import exports, prepare_environment
from serve_app.settings import Settings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def setup() -> None:
    """Makes the models ready."""
    models = local_models(Settings.from_env(os.environ), typer.echo)
    typer.echo(f"Models are ready: {models.llm}, {models.embedding}")


@app.command()
def serve() -> None:
    """Serves the application until Ctrl-C."""
    settings = Settings.from_env(os.environ)
    preflight.check(settings)
    local_models(settings, typer.echo)  # before the environment says that the model hub is not needed
    prepare_environment(settings)
    # What the replicas have to say is in their log files; the terminal gets our lines and failures.
    os.environ.setdefault("RAY_LOG_TO_DRIVER", "0")
    from serve_app.foreground import run  # imports Ray, which reads the environment

    run(settings, typer.echo)


@app.command()
def fast_path() -> None:
    """Prints what puts HAProxy in front, for a Ray of your own: eval "$(warmline fast-path)"."""
    settings = Settings.from_env(os.environ)
    typer.echo(
        "\n".join(f"export {shlex.join([name + '=' + value])}" for name, value in exports(settings).items())
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measures this checkout; passes on --short, --only PART,..., --peer NAME=URL and --seed N."""
    checkout = Path(__file__).parents[1]
    if not (checkout / "tests" / "bench" / "run.py").exists():
        raise ConfigurationError("the benchmark is part of a checkout, and this is an installed package")
    if find_spec("matplotlib") is None:
        raise ConfigurationError("what the benchmark needs is not installed: `make bench` does that, too")
    os.chdir(checkout)
    os.execv(sys.executable, [sys.executable, "-m", "tests.bench.run", *context.args])  # noqa: S606  no shell


def main() -> None:
    """Runs the command; what the user can mend is said without a traceback."""
    try:
        app()
    except (ConfigurationError, RuntimeError) as error:
        typer.echo(f"warmline: {error}", err=True)
        raise SystemExit(1) from None

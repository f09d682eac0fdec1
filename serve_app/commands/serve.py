"""`warmline setup`, `serve` and `fast-path`: the application on this machine."""

from __future__ import annotations

import os
import shlex

import typer

from serve_app.commands.exit_codes import ExitCode


def setup() -> None:
    """Downloads and converts the models, unless that is done already."""
    from deployments.core.private_files import make_private
    from serve_app.local_models import local_models
    from serve_app.settings import Settings

    settings = Settings.from_env(os.environ)
    make_private(settings.state_dir)
    models = local_models(settings, typer.echo)
    typer.echo(f"Models are ready: {models.llm}, {models.embedding}")


def serve() -> None:
    """Serves the application until Ctrl-C or SIGTERM, then finishes the requests in progress."""
    from serve_app import preflight
    from serve_app.local_models import local_models
    from serve_app.local_ray import prepare_environment
    from serve_app.settings import Settings

    settings = Settings.from_env(os.environ)
    preflight.check(settings)
    local_models(settings, typer.echo)  # before `prepare_environment` switches the model hub off
    prepare_environment(settings)
    # Replicas log to files; the terminal shows only this process's messages and failures.
    os.environ.setdefault("RAY_LOG_TO_DRIVER", "0")
    from serve_app.foreground import run  # imports Ray, which reads the environment set above

    run(settings, typer.echo, _exit_without)


def _exit_without(server: str) -> None:
    """Exits at once: an orderly shutdown would wait for the server of Ray that is gone. All processes of the
    application end when this one does.
    """
    typer.echo(
        f"warmline: {server}, a server of Ray, has ended, and Warmline with it: start it again", err=True
    )
    os._exit(ExitCode.LOST)


def fast_path() -> None:
    """Prints the fast path's variables, for a Ray that you start: eval "$(warmline fast-path)"."""
    from deployments.core.private_files import make_private
    from serve_app.local_ray import exports
    from serve_app.settings import Settings

    settings = Settings.from_env(os.environ)
    make_private(settings.state_dir)
    typer.echo(
        "\n".join(f"export {shlex.join([name + '=' + value])}" for name, value in exports(settings).items())
    )

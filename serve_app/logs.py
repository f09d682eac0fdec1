"""The log of a replica: Serve's own lines and those of the application's modules, in one file and format."""

from __future__ import annotations

import logging

from serve_app.settings import Settings
from serve_app.tracing import spans

_SERVE = logging.getLogger("ray.serve")
"""Serve gives this logger the handler that writes the replica's file."""
_PACKAGES = ("deployments", "serve_app")


def serve_logging(settings: Settings) -> dict[str, str] | None:
    """Serve's logging configuration; None, with the settings' defaults, leaves it to a Serve config file."""
    chosen = {"encoding": settings.log_format.upper(), "log_level": settings.log_level}
    return None if chosen == {"encoding": "TEXT", "log_level": "INFO"} else chosen


def log_as_serve(level: str) -> None:
    """Has this process log its modules' lines of `level` or above as Serve's, and each with its trace's ids.

    Without this, they would reach the file as text of stderr, without a level, and from WARNING on only.
    """
    _SERVE.addFilter(_add_ids)
    for name in _PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.addHandler(_TO_SERVE)


def _add_ids(record: logging.LogRecord) -> bool:
    """Adds `trace_id` and `span_id`, which lines of JSON show."""
    if (ids := spans.current_ids()) is not None:
        record.__dict__.update(ids._asdict())
    return True


class _ToServe(logging.Handler):
    """Gives lines to the handlers that Serve's logger has at the time; Serve can replace them."""

    def emit(self, record: logging.LogRecord) -> None:
        _SERVE.handle(record)


_TO_SERVE = _ToServe()

"""The lines of all modules are written by Serve's handler, in its format, with the ids of their trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from opentelemetry.trace import SpanKind
from ray._common.formatters import JSONFormatter

from serve_app.logs import log_as_serve, serve_logging
from serve_app.settings import Settings
from serve_app.tracing import spans

OWN = ("ray.serve", "deployments", "serve_app")
TRACEPARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """The lines of JSON that Serve's handler has written."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())
    loggers = [logging.getLogger(name) for name in OWN]
    before = [(one, one.level, one.handlers[:], one.filters[:], one.propagate) for one in loggers]
    loggers[0].handlers, loggers[0].propagate = [handler], False
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for one, level, handlers, filters, propagate in before:
        one.setLevel(level)
        one.handlers, one.filters, one.propagate = handlers, filters, propagate


def test_a_modules_line_is_written_once_with_its_level(lines) -> None:
    """Also if the process is prepared twice."""
    log_as_serve("INFO")
    log_as_serve("INFO")
    logging.getLogger("deployments.engine.warming").info("warmed %d", 3)
    logging.getLogger("serve_app.remote").debug("not shown")
    (line,) = lines()
    assert (line["message"], line["levelname"], line["filename"]) == ("warmed 3", "INFO", "test_logs.py")
    assert "trace_id" not in line


@pytest.mark.parametrize(("level", "count"), [("DEBUG", 2), ("INFO", 1), ("WARNING", 0)])
def test_the_level_is_the_configured_one(lines, level: str, count: int) -> None:
    """For the modules' loggers; Serve sets the level of its own."""
    log_as_serve(level)
    logging.getLogger("serve_app.remote").info("one")
    logging.getLogger("serve_app.remote").debug("two")
    assert len(lines()) == count


def test_lines_of_a_traced_request_have_its_ids(lines) -> None:
    """Those of Serve's logger, and of modules; also of a trace that is recorded elsewhere only."""
    log_as_serve("INFO")
    with spans.inside(spans.start("x", spans.parent_of(TRACEPARENT), SpanKind.SERVER)):
        logging.getLogger("ray.serve").warning("its own")
        logging.getLogger("deployments.rag").warning("a module's")
    assert [(line["trace_id"], line["span_id"]) for line in lines()] == [("a" * 32, "b" * 16)] * 2


def test_serve_gets_format_and_level() -> None:
    """In the names that Serve knows. Without a choice, those of a Serve config file stay in force."""
    assert serve_logging(Settings.from_env({})) is None
    chosen = Settings.from_env({"WARMLINE_LOG_FORMAT": "json", "WARMLINE_LOG_LEVEL": "DEBUG"})
    assert serve_logging(chosen) == {"encoding": "JSON", "log_level": "DEBUG"}

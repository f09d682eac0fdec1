"""A stopped application finishes its requests, and leaves no process running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.application.running import ROOT, running_application, until
from tests.listeners import family, runs


def test_a_signal_during_the_start_ends_everything(embedded_llm: Path, tmp_path: Path) -> None:
    """At the hardest moment: Ray and the embedded server run, and replicas are starting."""
    environ = {
        **os.environ,
        "WARMLINE_STATE_DIR": str(tmp_path),
        "WARMLINE_MODEL_DIR": str(embedded_llm.parent),
        "WARMLINE_HTTP_PORT": "18431",
        "WARMLINE_MODEL": "smollm2-135m",
    }
    command = [sys.executable, "-c", "from serve_app.cli import main; main()", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        until((tmp_path / "redis" / "sock").exists, 100, "the embedded server did not start")
        members = family(process.pid) | _naming(tmp_path)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    until(lambda: not any(map(runs, members)), 10, f"left: {[pid for pid in members if runs(pid)]}")


def test_requests_in_progress_end_and_new_ones_are_refused(embedded_llm: Path, tmp_path: Path) -> None:
    """After SIGTERM. Not even the stream is cut."""
    # Greedy and long: it has not ended when the signal comes, but does before a stop gives up waiting.
    body = {"query": "How do I reset my password?", "max_tokens": 200, "temperature": 0, "stream": True}
    with running_application(tmp_path, embedded_llm.parent, WARMLINE_SAMPLES="false") as application:
        application.put("passwords", "# Reset your password\n\nChoose Settings, then Security.")
        with application.http.stream("POST", "/v1/support/answer", json=body) as response:
            lines = response.iter_lines()
            next(line for line in lines if line.startswith("event: delta"))
            application.process.send_signal(signal.SIGTERM)
            until(lambda: application.http.get("/healthz").status_code == 503, 5, "it takes new requests")
            refused = application.http.post("/v1/support/answer", json=body)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            events = list(lines)
        assert application.process.wait(60) == 0
    assert "event: ledger" in events
    assert events[-2:] == ["data: [DONE]", ""]


def _naming(state_dir: Path) -> set[int]:
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_text(errors="replace")
        except OSError:
            continue
        if str(state_dir) in words:
            found.add(int(command.parent.name))
    return found

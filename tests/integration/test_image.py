"""Builds the container image from the locks and runs it. There is no test without podman or docker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = "warmline-test:cpu"


def _builder() -> str | None:
    """The first builder that is installed and works: docker's command may have no server."""
    for name in ("podman", "docker"):
        if shutil.which(name):
            found = subprocess.run([name, "info"], check=False, capture_output=True)
            if found.returncode == 0:
                return name
    return None


BUILDER = _builder()

if BUILDER:

    def _run(script: str) -> str:
        command = [str(BUILDER), "run", "--rm", IMAGE, "bash", "-c", script]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    @pytest.mark.system
    @pytest.mark.timeout(3600)  # it installs gigabytes
    def test_the_image_runs_as_its_user_and_has_all_packages() -> None:
        """What Ray's launcher calls is there, and code can't be changed."""
        subprocess.run([str(BUILDER), "build", "--tag", IMAGE, str(ROOT)], check=True)
        assert _run("id -u") == "1000"
        assert _run("touch /opt/warmline/new 2> /dev/null || echo refused") == "refused"
        assert _run("touch /var/lib/warmline/new && echo written") == "written"
        assert len(_run("command -v rsync ssh ray serve warmline").splitlines()) == 5
        assert "RAY_SERVE_ENABLE_HA_PROXY=1" in _run("warmline fast-path")
        assert _run("python -c 'import vllm, serve_app.wiring; print(vllm.__version__)'")

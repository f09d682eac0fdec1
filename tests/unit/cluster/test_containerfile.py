"""What the image is built from. `tests/integration/test_image.py` builds it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[3]
LINES = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()


def arguments(instruction: str) -> list[str]:
    """The rest of each line that begins with an instruction, in order."""
    return [line.partition(" ")[2].strip() for line in LINES if line.startswith(f"{instruction} ")]


def test_every_copied_file_is_in_the_build_context() -> None:
    """`.dockerignore` lets nothing in but what it names: the context of a checkout has gigabytes."""
    first, *others = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    named = [line.removeprefix("!") for line in others if line.startswith("!")]
    for copied in arguments("COPY"):
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists()
            assert any(fnmatch(source, f"{name}*") for name in named), source


def test_code_is_copied_after_the_packages() -> None:
    """A change of code builds only the last, small layers again."""
    (install,) = (i for i, line in enumerate(LINES) if "bootstrap.py --extra" in line)
    for copied in ("COPY deployments deployments", "COPY serve_app serve_app"):
        assert LINES.index(copied) > install


def test_nothing_runs_as_root() -> None:
    """The user has the id that cluster.yaml and kuberay.yaml expect, and writes to its state only."""
    assert arguments("USER") == ["warmline"]
    (made,) = (line for line in LINES if "useradd" in line)
    assert "--uid 1000" in made
    assert re.findall(r"install -d -o (\w+) .* (/\S+)", made) == [("warmline", "/var/lib/warmline")]
    assert not any("--chown" in line for line in LINES)


def test_rays_launcher_finds_the_home_folder() -> None:
    """It takes HOME from the image's variables, and /root without it."""
    assert "HOME=/home/warmline" in arguments("ENV")[0].split()

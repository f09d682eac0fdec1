"""The priority of a worker's threads."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, threading
from deployments.engine.cpu_priority import lower_priority

go = threading.Event()
before = threading.Thread(target=go.wait)
before.start()
lower_priority()
after = threading.Thread(target=go.wait)
after.start()
print(*(os.getpriority(os.PRIO_PROCESS, t.native_id) for t in (threading.main_thread(), before, after)))
go.set()
"""


def test_all_threads_give_way_those_to_come_too() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["19", "19", "19"]

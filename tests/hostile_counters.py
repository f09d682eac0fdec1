"""Token counters that behave as a parser that a document leads astray. Document processes import them."""

from __future__ import annotations

import os
import signal
import time


def busy(text: str) -> int:
    """Counts words, and does what a text tells it."""
    while "spin" in text:
        pass
    if "sleep" in text:
        time.sleep(600)
    if "fill" in text:
        len(bytearray(1 << 30))
    if "abort" in text:
        os.abort()
    if "die" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "fault" in text:
        raise KeyError("a fault of ours")
    return len(text.split())


def refuses_to_start(_text: str) -> int:
    """A tokenizer that can't be loaded."""
    raise RuntimeError("no tokenizer")

"""Stands where the converter stands: `slow_converter.py SOURCE TARGET`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

target = Path(sys.argv[2])
target.mkdir()
(target / "config.json").write_text("{}")
print("half done", flush=True)
behaviour = os.environ["SLOW_CONVERTER"]
if behaviour == "fail":
    sys.exit("the disk is full")
if behaviour == "wait":
    time.sleep(3600)
(target / "model.safetensors").write_text("weights")

"""A fake converter: `slow_converter.py SOURCE TARGET FORM`. It copies SOURCE as the weights."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

source, target, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
target.mkdir()
(target / "config.json").write_text(f'{{"form": "{form}"}}')
print("half done", flush=True)
behaviour = os.environ["SLOW_CONVERTER"]
if behaviour == "fail":
    sys.exit("the disk is full")
if behaviour == "wait":
    time.sleep(3600)
shutil.copy(source, target / "model.safetensors")

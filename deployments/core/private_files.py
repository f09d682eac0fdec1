"""Folders and files that only this user may read: they have all tenants' documents and tickets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from deployments.core.errors import ConfigurationError


def make_private(folder: Path) -> None:
    """Creates the folder, or takes the access of other users from it. Raises ConfigurationError.

    A folder that users share, such as /tmp, is refused: without access, others could not use it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & stat.S_ISVTX:
            raise ConfigurationError(
                f"all users share the folder {folder}. Set WARMLINE_STATE_DIR to another",
                "WARMLINE_STATE_DIR",
            )
        if mode & 0o077:
            folder.chmod(mode & ~0o077)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to the state directory {folder}, or make it private ({error.strerror}). Set "
            "WARMLINE_STATE_DIR to a folder that belongs to you",
            "WARMLINE_STATE_DIR",
        ) from error


def make_private_file(file: Path) -> None:
    """Creates the file, or takes the access of other users from it; its content stays. Raises OSError."""
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # Not opened: closing a file that SQLite has open in this process would release SQLite's locks.
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            file.chmod(0o600)

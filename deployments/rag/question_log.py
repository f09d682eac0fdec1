"""The texts of questions, in one file for each tenant, where an erasure finds them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.core.ids import TenantId, tenant_id

log = logging.getLogger(__name__)

MAX_BYTES = 16 * 2**20
"""Size at which a tenant's file is set aside. One such file is kept: a tenant has at most twice as much."""


@dataclass(frozen=True, slots=True)
class QuestionLog:
    """The files of one machine, which all processes on it share."""

    folder: Path

    def add(self, tenant: TenantId, fields: Mapping[str, object]) -> None:
        """Appends a line of JSON with these fields and the time. Logs failures."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}) + "\n"
        file, former = self._files(tenant)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Opened for each line, since another process may have deleted or set aside the file.
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(opened, line.encode())
                size = os.fstat(opened).st_size
            finally:
                os.close(opened)
            if size > MAX_BYTES:
                file.replace(former)
        except OSError as error:
            log.warning("a question was not logged: %s", error)

    def erase(self, tenant: TenantId) -> int:
        """Deletes a tenant's files; returns how many questions they had. Raises OSError."""
        count = 0
        for file in self._files(tenant):
            with suppress(FileNotFoundError):
                with file.open("rb") as lines:
                    count += sum(1 for _ in lines)
                file.unlink()
        return count

    def _files(self, tenant: TenantId) -> tuple[Path, Path]:
        name = tenant_id(tenant)  # safe in a path: it starts with a letter or digit and has no `/`
        return self.folder / f"{name}.jsonl", self.folder / f"{name}.former.jsonl"

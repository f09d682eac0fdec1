"""Which files `warmline ingest` stores, and under which ids."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.core.documents import EXTENSIONS
from deployments.core.errors import InvalidRequest

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Selection:
    """Files below a folder. The id of a file's document is its path relative to that folder."""

    root: Path
    """The folder, absolute."""
    paths: tuple[Path, ...]
    """Chosen files and folders, below `root`. Of a folder, files are chosen whose type is known."""
    patterns: tuple[str, ...]
    """Globs relative to `root`, which choose files as folders do."""

    @classmethod
    def of(cls, given: Sequence[str], root: Path) -> Selection:
        """The selection of paths and globs, as a user gives them. Relative ones are so to this folder.

        Raises InvalidRequest if a path does not exist, or is not below `root`.
        """
        root = Path(os.path.abspath(root))
        paths, patterns = [], []
        for one in given:
            if Path(one).exists():
                paths.append(root / _below(root, Path(os.path.abspath(one)), one))
            elif _GLOB.isdisjoint(one):
                raise InvalidRequest(f"there is no file or folder {one}")
            else:
                patterns.append(_below(root, Path(os.path.abspath(one)), one))
        return cls(root, tuple(paths), tuple(patterns))

    def files(self) -> dict[str, Path]:
        """The chosen files, by id."""
        return {self.id_of(path): path for path in sorted(self._found())}

    def skipped(self) -> dict[str, int]:
        """How many files of the chosen folders have a type that no reader knows, by extension."""
        visible = (path for folder in self.paths if folder.is_dir() for path in _walk(folder))
        return Counter(path.suffix.lower() for path in visible if not _is_known(path))

    def id_of(self, path: Path) -> str:
        """The id of a file's document: as the server normalises it."""
        return unicodedata.normalize("NFC", path.relative_to(self.root).as_posix())

    def covers(self, doc_id: str) -> bool:
        """Whether a document with this id would come from a chosen file or folder."""
        names = [self.id_of(path) for path in self.paths]
        return any(name in (".", doc_id) or doc_id.startswith(f"{name}/") for name in names)

    def _found(self) -> Iterator[Path]:
        for path in self.paths:
            yield from filter(_is_known, _walk(path)) if path.is_dir() else [path]
        for pattern in self.patterns:
            found = self.root.glob(pattern)
            visible = (path for path in found if not _is_hidden(path.relative_to(self.root)))
            yield from (path for path in visible if _is_known(path) and path.is_file())


def _walk(folder: Path) -> Iterator[Path]:
    """All files, without hidden files and folders. Links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_known(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _below(root: Path, path: Path, given: str) -> str:
    if not path.is_relative_to(root):
        raise InvalidRequest(
            f"{given} is not in {root}, and ids are paths relative to that folder: add --root {path.parent}"
        )
    return str(path.relative_to(root))

"""The sample knowledge that comes with the application: samples/<collection>/<doc_id>.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deployments.core.documents import DocumentDraft
from deployments.core.ids import collection_name, doc_id

SAMPLES = Path(__file__).parent / "samples"
"""The folder of the samples that are part of this package."""


async def read_samples(folder: Path) -> dict[str, list[DocumentDraft]]:
    """Reads the documents of each collection. The files' front matter has their titles and sections."""
    return await asyncio.to_thread(_read, folder)


def _read(folder: Path) -> dict[str, list[DocumentDraft]]:
    collections = sorted(path for path in folder.iterdir() if path.is_dir())
    return {
        collection_name(path.name): [_draft(file) for file in sorted(path.glob("*.md"))]
        for path in collections
    }


def _draft(file: Path) -> DocumentDraft:
    return DocumentDraft(doc_id(file.stem), "", None, "text/markdown", file.read_bytes())

"""How much one document may take to be read and cut into chunks, and how much may come out."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.limits import MAX_CONTENT_CHARS

SPLIT_IT = "split it into several documents"
"""What to do about a document that exceeds a limit."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Limits of one document."""

    cpu_s: int = 30
    """CPU time."""
    wall_s: float = 60.0
    """Longer than `cpu_s`, since the engine may compute on the same cores."""
    memory_bytes: int = 1 << 30
    """Memory above that of an idle process."""
    chars: int = MAX_CONTENT_CHARS
    """Characters of the text."""
    chunks: int = 20_000


def exceeds(what: str) -> str:
    """The reason to give for a refused document. `what` names the limit: "has more than 20,000 chunks"."""
    return f"it {what}; {SPLIT_IT}"


def exceeds_chars(limit: int) -> str:
    """The reason to give for a text of more than `limit` characters."""
    return exceeds(f"has more than {limit:,} characters of text")

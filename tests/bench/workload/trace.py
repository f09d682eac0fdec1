"""Requests over time, each a ranked list of passages. Reads recorded traces too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: its time, and the retrieved passages, the most relevant first, without duplicates."""

    at_s: float
    passages: tuple[int, ...]
    preamble: int = 0
    """Which of its agent's preambles the prompt begins with."""
    tenant: str = "tenant"
    """Whose request it is: tenants share no KV blocks, so each needs preambles and passages of its own."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of time, and the length in tokens of each of their passages."""

    asks: Sequence[Ask]
    tokens: Mapping[int, int]

    def tokens_of(self, passages: Iterator[int] | Sequence[int]) -> int:
        """The sum of these passages' tokens."""
        return sum(self.tokens[passage] for passage in passages)


def read_trace(requests: Path, lengths: Path) -> Trace:
    """Reads a recorded trace from JSON lines.

    A request has `timestamp` (s) and `hash_ids.passages_ids`; a length has `passage_id` and `token_length`.
    Requests without passages are skipped; a passage that is twice in one request counts once.
    """
    tokens = {int(row["passage_id"]): int(row["token_length"]) for row in _json_lines(lengths)}
    asks = [
        Ask(float(row["timestamp"]), tuple(dict.fromkeys(row["hash_ids"]["passages_ids"])))
        for row in _json_lines(requests)
        if row["hash_ids"]["passages_ids"]
    ]
    return Trace(sorted(asks, key=lambda ask: ask.at_s), tokens)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        yield from (json.loads(line) for line in lines if line.strip())

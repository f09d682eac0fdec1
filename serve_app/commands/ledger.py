"""Draws the ledger of an answer: what it reused, where its time went, and its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serve_app.commands.terminal import clean, counted, table

if TYPE_CHECKING:
    from rich.console import Console

_BAR_CELLS = 24
_SUMS = ("ttft", "total")
"""Timings that several stages make up."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(part: float, whole: float, cells: int = _BAR_CELLS) -> str:
    """A bar of `cells` characters, filled to the share `part` of `whole`."""
    share = min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
    eighths = round(share * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def draw(console: Console, ledger: Mapping[str, Any]) -> None:
    """Draws the fields of an answer that all agents' answers have."""
    console.print(_reuse(ledger), soft_wrap=True, style="bold" if ledger["cache_hit"] else None)
    if ledger["cache_error"]:
        console.print(f"shared cache bypassed: {clean(ledger['cache_error'])}")
    reuse, times = ledger["reuse"], ledger["timings_ms"]
    total = times["total"]
    kv = _share(reuse["kv_cached_tokens"], reuse["prompt_tokens"])
    rows = [("KV reused", bar(reuse["kv_cached_tokens"], reuse["prompt_tokens"]), f"{kv} of the prompt")]
    stages = ((name, ms) for name, ms in times.items() if name not in _SUMS)
    rows += [(stage, bar(ms, total), f"{ms:,.1f} ms") for stage, ms in stages]
    rows.append(("total", bar(total, total), f"{total:,.1f} ms, first token {times['ttft']:,.1f}"))
    console.print(table((), rows))
    if reuse["missed"]:
        missed = [(f"{miss['tokens']:,}", _cause(miss), miss["doc_id"]) for miss in reuse["missed"]]
        console.print(table(("prefilled", "because", "document"), missed))
    if ledger["citations"]:
        cited = [
            (number, citation["title"], citation["doc_id"], citation["heading"] or None)
            for number, citation in enumerate(ledger["citations"], 1)
        ]
        console.print(table(("", "source", "document", "heading"), cited))


def _cause(miss: Mapping[str, Any]) -> str:
    cause = clean(miss["cause"]).replace("_", " ")
    ago_s = miss["evicted_ago_s"]
    return cause if ago_s is None else f"{cause} {ago_s:,.1f} s ago"


def _reuse(ledger: Mapping[str, Any]) -> str:
    reuse = ledger["reuse"]
    if reuse["answer"] != "generated":
        return f"answer {reuse['answer'].replace('_', ' ')}"
    return (
        f"{'cache hit' if ledger['cache_hit'] else 'cache miss'}: {counted(reuse['segments'], 'segment')}, "
        f"{reuse['l1']} from L1, {reuse['redis']} from Redis, {reuse['tokenized']} tokenized; "
        f"{reuse['kv_cached_tokens']} of {reuse['prompt_tokens']} prompt tokens were in the KV cache"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"

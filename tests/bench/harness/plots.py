"""Plots of a run's figures, as PNG files next to its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.harness.arms import NAMES

COLOURS = {"a": "#9a9a9a", "b": "#d98b3a", "c": "#bfbf7a", "d": "#2a6fb0", "e": "#2aa07a"}
KINDS = ("first", "repeated", "overlapping")


def draw(sections: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draws each section that there is; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = []
    if "answers" in sections:
        drawn.append(_answers(sections["answers"]["rows"], folder))
    if "lengths" in sections:
        drawn.append(_lengths(sections["lengths"], folder))
    if "mixed" in sections:
        drawn.append(_mixed(sections, folder))
    if "hops" in sections:
        drawn.append(_hops(sections["hops"]["rows"], folder))
    return drawn


def _answers(rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    import matplotlib.pyplot as plt

    agents = list(dict.fromkeys(row["agent"] for row in rows))
    figure, axes = plt.subplots(1, len(agents), figsize=(4 * len(agents), 3.6), sharey=True, squeeze=False)
    for axis, agent in zip(axes[0], agents, strict=True):
        for number, arm in enumerate(NAMES):
            found = {
                row["kind"]: row["ttft_p50_ms"] for row in rows if (row["agent"], row["arm"]) == (agent, arm)
            }
            places = [place + (number - 2) * 0.16 for place in range(len(KINDS))]
            heights = [found.get(kind, 0.0) for kind in KINDS]
            axis.bar(places, heights, 0.15, label=f"{arm}: {NAMES[arm]}", color=COLOURS[arm])
        axis.set_xticks(range(len(KINDS)), KINDS)
        axis.set_yscale("log")
        axis.set_title(agent)
    axes[0][0].set_ylabel("TTFT, median, ms")
    axes[0][-1].legend(fontsize=7)
    return _saved(figure, folder / "answers.png")


def _lengths(rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3.6))
    for arm in "abd":
        axis.plot(
            [row["prompt_tokens"] for row in rows],
            [row[f"{arm}_ttft_ms"] for row in rows],
            "o-",
            label=f"{arm}: {NAMES[arm]}",
            color=COLOURS[arm],
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel("prompt tokens")
    axis.set_ylabel("TTFT of a repeated question, ms")
    axis.legend(fontsize=8)
    return _saved(figure, folder / "lengths.png")


def _mixed(sections: Mapping[str, Any], folder: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2))
    names = {"mixed": "unlimited", "mixed_bounded": "bounded"}
    shown = [name for name in names if name in sections]
    for place, section in enumerate(shown):
        for number, arm in enumerate("bd"):
            row = next(row for row in sections[section]["rows"] if row["arm"] == arm)
            for axis, field in zip(axes, ("documents_prefilled", "ttft_p50_ms"), strict=True):
                axis.bar(
                    place + (number - 0.5) * 0.35,
                    row[field],
                    0.33,
                    color=COLOURS[arm],
                    label=f"{arm}: {NAMES[arm]}" if not place else None,
                )
    for axis in axes:
        axis.set_xticks(range(len(shown)), [names[name] for name in shown])
    axes[0].set_ylabel("document tokens prefilled, share")
    axes[1].set_ylabel("TTFT, median, ms")
    axes[0].legend(fontsize=7)
    return _saved(figure, folder / "mixed.png")


def _hops(rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2))
    for axis, field, title in zip(axes, ("per_s", "chunks_per_s"), ("requests/s", "chunks/s"), strict=True):
        for number, mode in enumerate(("default", "ours")):
            places = [place + (number - 0.5) * 0.35 for place in range(len(rows))]
            axis.bar(places, [row[f"{mode}_{field}"] for row in rows], 0.33, label=mode)
        axis.set_xticks(range(len(rows)), [f"{row['clients']}" for row in rows])
        axis.set_xlabel("clients")
        axis.set_title(f"three empty hops: {title}", fontsize=9)
    axes[0].legend(fontsize=8)
    return _saved(figure, folder / "hops.png")


def _saved(figure: Any, file: Path) -> Path:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return file

"""Joins the metrics of several agents, in Prometheus's text format. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deployments.core.metrics import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP, _TYPE = "# HELP ", "# TYPE "
_RAY = "ray_"
_OWN = ("ray_warmline_", "ray_gen_ai_")


def merged(texts: Iterable[str]) -> str:
    """One text with each metric once, and below it the samples of all texts.

    Takes Ray's metrics only: others describe an agent's own process and have no node in their labels.
    The names of this application's metrics lose the `ray_` that Ray puts before them. Other lines, such as
    comments before the first metric, are left out.
    """
    families: dict[str, list[str]] = {}
    for text in texts:
        family: list[str] | None = None
        new = False
        for line in text.split("\n"):  # a label's value can have other line ends
            if line.startswith(_HELP):
                name = line[len(_HELP) :].partition(" ")[0]
                new = name not in families
                family = families.setdefault(name, []) if name.startswith(_RAY) else None
            if line and family is not None and (new or not line.startswith("#")):
                family.append(_with_own_name(line))
    return "".join(f"{line}\n" for family in families.values() for line in family)


def gauge_lines(metric: Metric, label: str, values: Mapping[str, float]) -> str:
    """A gauge that no agent knows, by the values of its only label."""
    head = f"{_HELP}{metric.name} {metric.what}\n{_TYPE}{metric.name} gauge\n"
    return head + "".join(f'{metric.name}{{{label}="{name}"}} {value}\n' for name, value in values.items())


def _with_own_name(line: str) -> str:
    for start in ("", _HELP, _TYPE):
        if line.startswith(tuple(start + own for own in _OWN)):
            return start + line[len(start) + len(_RAY) :]
    return line

"""Reads the metadata at the start of a Markdown file: YAML, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import yaml

from deployments.knowledge.readers.reading import shortened, storable

MAX_FRONT_MATTER_CHARS = 32 * 1024
"""Longer front matter stays in the text."""
MAX_LABELS = 32
"""Further ones are left out."""
MAX_LABEL_NAME_CHARS = 64
"""A label with a longer name is left out."""
MAX_LABEL_CHARS = 500
"""A longer value is cut."""
_MAX_DEPTH = 4
"""Deeper maps and lists are left out."""
_DELIMITED = re.compile(
    r"\n*(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_ENTRY = re.compile(r"^(?=[^\s#-])", re.MULTILINE)
_NAME = re.compile(r"[\w.$-]+")
_URL = re.compile(r"https?://[^\s<>\"]{1,1990}")
_URL_KEYS = ("canonical_url", "canonicalUrl", "canonical", "source_url", "url", "online version", "permalink")
"""The best first."""
_TITLE_KEYS = ("title", "linkTitle", "sidebar_label", "name")
"""The best first."""
_OWN_KEYS = frozenset(("title", "section", "asked_as"))
"""Keys that are something else than a label."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The metadata at the start of a Markdown file."""

    titles: tuple[str, ...] = ()
    """What may be the title, the best first."""
    section: str = ""
    asked_as: tuple[str, ...] = ()
    """Wordings under which people ask for the document."""
    url: str | None = None
    """Where people read the document; http or https."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All other values by name, as the file spells them. Items of a list are joined by ", ", and names of
    nested maps by "."."""


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """Splits the metadata from the text after them. A text without metadata is returned whole.

    YAML is between two `---` lines, TOML between two `+++` lines, JSON in braces. The result is never
    larger than the text, whatever the metadata hold: aliases are not expanded, and no tag makes an object.
    """
    values, rest = _split(text)
    if values is None:
        return FrontMatter(), text
    labels = dict(_labels(values))
    url = next((labels[key] for key in _URL_KEYS if _URL.fullmatch(labels.get(key, ""))), None)
    others = {
        name: shortened(label, MAX_LABEL_CHARS)
        for name, label in labels.items()
        if name not in _OWN_KEYS and label != url
    }
    return FrontMatter(
        tuple(labels[key] for key in _TITLE_KEYS if labels.get(key)),
        labels.get("section", ""),
        tuple(_items(values.get("asked_as"))),
        url,
        dict(islice(others.items(), MAX_LABELS)),
    ), rest


def _split(text: str) -> tuple[dict[str, Any] | None, str]:
    start = text[: 2 * MAX_FRONT_MATTER_CHARS]
    delimited = _DELIMITED.match(start)
    if delimited is not None and len(delimited[2]) <= MAX_FRONT_MATTER_CHARS:
        values = _toml(delimited[2]) if delimited[1] == "+++" else _yaml(delimited[2])
        return values, text[delimited.end() :]
    if text.lstrip("\n").startswith("{"):
        return _json(start, text)
    return None, text


def _toml(inside: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(inside)
    except (ValueError, RecursionError):
        return None


def _json(start: str, text: str) -> tuple[dict[str, Any] | None, str]:
    """A JSON object is metadata if a text follows it; else it is the document itself."""
    begin = len(start) - len(start.lstrip("\n"))
    try:
        values, end = json.JSONDecoder().raw_decode(start, begin)
    except (ValueError, RecursionError):
        return None, text
    rest = text[end:]
    return (values, rest) if values and rest.startswith("\n") and rest.strip() else (None, text)


def _yaml(inside: str) -> dict[str, Any] | None:
    """Reads YAML; what is no YAML is read line by line, since many files have a `title: A: b`."""
    try:
        values = _Loader(inside).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError):
        values = dict(_entries(inside))
    if values is None and not re.sub(r"#[^\n]*", "", inside).strip():
        return {}
    named = isinstance(values, dict) and any(isinstance(key, str) and _NAME.fullmatch(key) for key in values)
    return values if named else None


class _Loader(yaml.BaseLoader):  # type: ignore[misc]
    """Reads every scalar as a string, exactly as written: `12:30`, `No` and `1.10` are texts."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read: expanded, they could take any amount of memory")
        return super().compose_node(parent, index)


def _entries(inside: str) -> Iterator[tuple[str, Any]]:
    """Reads each entry of the top level for itself; one that is no YAML is the text after its colon."""
    starts = (match.start() for match in _ENTRY.finditer(inside))
    for start, end in pairwise((*starts, len(inside))):
        entry = inside[start:end]
        key, colon, value = entry.partition(":")
        if not colon:
            continue
        try:
            value = _Loader(entry).get_single_data()[key.strip()]
        except (yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError):
            value = " ".join(value.split())
        yield key.strip().strip("\"'"), value


def _labels(values: Mapping[Any, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{_text(key)}"
        if len(name) > MAX_LABEL_NAME_CHARS:
            continue
        if isinstance(value, Mapping):
            if depth < _MAX_DEPTH:
                yield from _labels(value, f"{name}.", depth + 1)
        elif label := " ".join(", ".join(_items(value)).split()):
            yield name, label


def _items(value: Any) -> Iterator[str]:
    """The texts of a scalar or of a list of scalars; an item `a: b` was meant as a text."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping) and len(item) == 1:
            (pair,) = item.items()
            yield ": ".join(map(_text, pair))
        elif item is not None and not isinstance(item, list | Mapping):
            yield _text(item)


def _text(scalar: Any) -> str:
    return storable(str(scalar))

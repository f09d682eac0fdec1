"""Turns signatures of an API reference, which Sphinx writes as terms of definition lists, into headings."""

from __future__ import annotations

from bs4 import Tag

from deployments.knowledge.readers.html.tree import HEADINGS, tags, text_of

_MAX_LEVEL = 6


def head_signatures(root: Tag) -> None:
    """Makes each signature a heading one level below the one above it, over its description.

    So each passage of a long description says which function it describes.
    """
    level = 1
    for tag in tags(root, *HEADINGS, "dt"):
        if tag.name in HEADINGS:
            level = int(tag.name[1])
            continue
        entry = tag.parent
        if entry is None or "sig" not in (tag.get("class") or []):
            continue
        nested = sum(parent.name == "section" and "entry" in parent.attrs for parent in tag.parents)
        signature = text_of(tag)
        tag.clear()
        tag.append(signature)
        tag.name = f"h{min(level + 1 + nested, _MAX_LEVEL)}"
        entry.name = "section"
        entry["entry"] = ""
        for definition in entry("dd", recursive=False):
            definition.name = "div"

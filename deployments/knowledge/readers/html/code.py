"""Turns each block of code into a `pre` with one text: its lines, without numbers, colours and buttons."""

from __future__ import annotations

import re

from bs4 import Comment, Tag

from deployments.knowledge.readers.html.tree import DROPPED, attribute, drop, names, rows_of, tags

LANGUAGE = "data-warmline-language"
"""Attribute of a flattened `pre`: the language of its code."""
_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight-source|highlight|brush:)[-\s]([A-Za-z][\w+#]*)")
_NO_LANGUAGE = frozenset({"default", "none", "notranslate", "plaintext", "text", "wrapper", "source"})
_LINES = frozenset({"div", "li", "p", "tr"})
"""Elements that are a line of code each."""
_NUMBERS = names("linenos lineno linenodiv linenumber linenumbers gutter ln blob-num hljs-ln-numbers")


def flatten_code(root: Tag) -> None:
    """Flattens tables that hold code next to line numbers, and then each `pre`."""
    for table in tags(root, "table"):
        if _drop_numbers(table):
            table.name = "pre"
    for pre in tags(root, "pre"):
        language, code = _language(pre), _code(pre)
        pre.clear()
        # Any text that is put into an element by `append` is a text, whatever it looks like.
        pre.append(code)
        if language:
            pre[LANGUAGE] = language


def _drop_numbers(table: Tag) -> bool:
    """Drops the cells with line numbers. Whether the table has some, and code in its other cells."""
    rows = [row("td", recursive=False) for row in rows_of(table)]
    if not rows or table.find("table") is not None or any(len(row) != 2 for row in rows):
        return False
    numbers = "\n".join(_code(row[0]) or attribute(row[0], "data-line-number") for row in rows).split()
    is_code = table.find("pre") is not None or table.find_parent("pre") is not None
    named = all(_is_number_cell(row[0]) for row in rows)
    counted = is_code and _count_up(numbers)
    if not (named or counted):
        return False
    for row in rows:
        drop(row[0])
    return True


def _is_number_cell(cell: Tag) -> bool:
    classes = attribute(cell, "class").lower().split()
    return not _NUMBERS.isdisjoint(classes) or "data-line-number" in cell.attrs


def _count_up(numbers: list[str]) -> bool:
    if not numbers or not all(number.isdecimal() and len(number) < 8 for number in numbers):
        return False
    first = int(numbers[0])
    return [int(number) for number in numbers] == list(range(first, first + len(numbers)))


def _code(root: Tag) -> str:
    """The text of code, each line with its end."""
    lines: list[str] = []
    _write(root, lines)
    text = "".join(lines).replace("\u00a0", " ")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _write(tag: Tag, out: list[str]) -> None:
    for child in tag.children:
        if not isinstance(child, Tag):
            if not isinstance(child, Comment):
                out.append(str(child))
        elif child.name == "br":
            out.append("\n")
        elif _is_part_of_code(child):
            if child.name in _LINES:
                _end_line(out)
            _write(child, out)
            if child.name in _LINES:
                _end_line(out)


def _is_part_of_code(tag: Tag) -> bool:
    if tag.name in DROPPED or tag.name == "button":
        return False
    return _NUMBERS.isdisjoint(attribute(tag, "class").lower().split())


def _end_line(out: list[str]) -> None:
    last = next((piece for piece in reversed(out) if piece), "\n")
    if not last.endswith("\n"):
        out.append("\n")


def _language(pre: Tag) -> str:
    """The language in the classes of a `pre`, of the `code` in it, or of the two elements around it."""
    around = [parent for parent, _ in zip(pre.parents, range(3), strict=False)]
    for tag in (pre, *pre.find_all("code", limit=1), *around):
        if match := _LANGUAGE.search(attribute(tag, "class")):
            name = match[1].lower()
            return "" if name in _NO_LANGUAGE else {"python3": "python"}.get(name, name)
    return ""

"""Writes a cleaned tree as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bs4 import Tag
from markdownify import MarkdownConverter

from deployments.knowledge.readers.html.code import LANGUAGE
from deployments.knowledge.readers.html.formulas import formula, script_text
from deployments.knowledge.readers.html.grid import Spans, table_text
from deployments.knowledge.readers.html.tree import BLOCKS, DROPPED, HEADINGS, attribute, text_of, words_of

_MAX_NUMBER_DIGITS = 9
"""Digits of a list's first number. A list with a longer one starts at 1."""
_NOTES = frozenset({"footnote", "footref", "noteref"})
_PART = "\ue000"
"""Stands before a term or definition inside another one. A page may also use it; it is dropped in the end."""
_FENCE = re.compile(r"`{3,}")


class Writer(MarkdownConverter):  # type: ignore[misc]
    """Writes one page. Corrects its base class where that changes a fact or takes quadratic time.

    Nothing is escaped but bars in cells: a language model reads the text, not a renderer.
    """

    def __init__(self) -> None:
        super().__init__(heading_style="atx", escape_asterisks=False, escape_underscores=False, bullets="*")
        self._cells: dict[int, str] = {}
        self._numbers: dict[int, str] = {}
        self._spans = Spans()

    def process_tag(self, node: Tag, parent_tags: set[str] | None = None) -> str:
        """Writes an element and what is inside it."""
        if node.name in DROPPED:
            return " " if "_inline" in (parent_tags or ()) else "\n\n" if node.name != "dropped" else ""
        if node.name == "math":
            return formula(node)
        if node.name == "ol":
            self._number_items(node)
        return str(super().process_tag(node, parent_tags))

    def get_conv_fn(self, tag_name: str) -> Any:
        """Finds the method for a name. Blocks that have no method of their own are paragraphs."""
        found = super().get_conv_fn(tag_name)
        return self.convert_div if found is None and tag_name in BLOCKS else found

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Keeps links to other pages, as they are written, outside of headings."""
        href = attribute(el, "href").strip()
        if href.startswith("#") and text.isdecimal() and words_of(attribute(el, "class")) & _NOTES:
            return f"[{text}]"
        in_heading = not HEADINGS.isdisjoint(parent_tags)
        is_text = href.startswith(("#", "javascript:", "data:")) or el.find([*BLOCKS]) is not None
        if in_heading or is_text or not text.strip():
            return text
        el.attrs.pop("title", None)
        return str(super().convert_a(el, text, parent_tags))

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes what a picture shows: it can't be read, and a `data:` URL would add megabytes."""
        return " ".join(attribute(el, "alt").split())

    def convert_input(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a box to tick, in a list of tasks."""
        if attribute(el, "type") != "checkbox":
            return ""
        box = "[x]" if "checked" in el.attrs else "[ ]"
        return box if str(el.next_sibling or "")[:1].isspace() else f"{box} "

    def convert_hr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes the end of a paragraph."""
        return "\n\n"

    def convert_sup(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a power, an ordinal or the mark of a footnote."""
        return script_text(el, text, "^")

    def convert_sub(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes an index."""
        return script_text(el, text, "_")

    def convert_ruby(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a word with its reading after it, so that neither cuts the other."""
        reading = "".join(text_of(part) for part in el(["rt"]))
        base = "".join(text_of(part) if isinstance(part, Tag) else part.strip() for part in _base(el))
        return f"{base}({reading})" if reading else base

    def convert_b(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes strong text. Marks inside a word would cut it."""
        return text if _is_inside_word(el) else str(super().convert_b(el, text, parent_tags))

    def convert_em(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes emphasis. Marks inside a word would cut it."""
        is_plain = _is_inside_word(el) or not parent_tags.isdisjoint(("b", "strong"))
        return text if is_plain else str(super().convert_em(el, text, parent_tags))

    convert_strong = convert_b
    convert_i = convert_em
    convert_strike = MarkdownConverter.convert_del

    def convert_summary(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes the question over a text that it opens."""
        return f"\n\n**{text.strip()}**\n\n" if text.strip() else ""

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes code between fences that are longer than any in it; in a cell, each line as code."""
        code = text.strip("\n")
        if not code.strip():
            return ""
        if "_inline" in parent_tags:
            lines = (line.strip() for line in code.split("\n"))
            return " " + " ".join(f"`{line}`" for line in lines if line) + " "
        fence = "`" * max([3, *(len(run) + 1 for run in _FENCE.findall(code))])
        return f"\n\n{fence}{attribute(el, LANGUAGE)}\n{code}\n{fence}\n\n"

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Keeps the text of a cell for its table."""
        self._cells[id(el)] = " ".join(text.split()).strip("; ").replace("|", "\\|")
        return ""

    convert_th = convert_td

    def convert_tr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes nothing: the table writes its rows."""
        return text

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes the caption and the grid; inside a cell, rows on one line."""
        grid = table_text(el, self._cells, self._spans)
        if "_inline" in parent_tags:
            rows = (
                row.strip("| ").replace(" | ", ", ") for row in grid.split("\n") if "| ---" not in row[:5]
            )
            return f" {text.strip()} {'; '.join(filter(None, rows))} ".replace("\\|", "|")
        return f"\n\n{text.strip()}\n\n{grid}\n\n"

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes an item, in a cell as a part of its line."""
        text = text.strip()
        if not text:
            return ""
        mark = f"{self._numbers[id(el)]}. " if id(el) in self._numbers else "* "
        if "_inline" in parent_tags:
            return f" {mark if mark != '* ' else ''}{text}; "
        first, *others = text.split("\n")
        indent = " " * len(mark)
        return "\n".join((mark + first, *(indent + line if line else "" for line in others))) + "\n"

    def convert_dt(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a term, in a cell as a part of its line."""
        if "_inline" in parent_tags:
            return _each(el, text, lambda term: f" {term}: ")
        return _each(el, text, lambda term: super(Writer, self).convert_dt(el, term, parent_tags))

    def convert_dd(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a definition, in a cell as a part of its line."""
        if "_inline" in parent_tags:
            return _each(el, text, lambda definition: f" {definition}; ")
        return _each(el, text, lambda definition: super(Writer, self).convert_dd(el, definition, parent_tags))

    def convert_menu(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Writes a list."""
        return str(self.convert_list(el, text, parent_tags))

    def _number_items(self, numbered: Tag) -> None:
        """Gives each item the number that a browser shows; the base class would count before each item."""
        items = numbered("li", recursive=False)
        is_reversed = "reversed" in numbered.attrs
        number = _integer(attribute(numbered, "start"), len(items) if is_reversed else 1)
        for item in items:
            number = _integer(attribute(item, "value"), number)
            self._numbers[id(item)] = _shown(number, attribute(numbered, "type"))
            number += -1 if is_reversed else 1


def _integer(value: str, otherwise: int) -> int:
    is_number = re.fullmatch(rf"\s*-?[0-9]{{1,{_MAX_NUMBER_DIGITS}}}\s*", value) is not None
    return int(value) if is_number else otherwise


def _shown(number: int, kind: str) -> str:
    if kind in ("a", "A") and 1 <= number <= 26:
        return chr(ord(kind) + number - 1)
    return str(number)


def _each(tag: Tag, text: str, write: Callable[[str], str]) -> str:
    """Writes each term or definition: the parser puts those without an end tag inside each other."""
    if tag.parent is not None and tag.parent.name == tag.name:
        return _PART + text
    return "".join(write(part.strip()) for part in text.split(_PART) if part.strip())


def _base(ruby: Tag) -> list[Any]:
    return [part for part in ruby.contents if getattr(part, "name", None) not in ("rt", "rtc", *DROPPED)]


def _is_inside_word(tag: Tag) -> bool:
    before: object = tag.previous_sibling
    after: object = tag.next_sibling
    text = tag.get_text()
    joins_before = isinstance(before, str) and before[-1:].isalnum() and text[:1].isalnum()
    return joins_before or (isinstance(after, str) and after[:1].isalnum() and text[-1:].isalnum())

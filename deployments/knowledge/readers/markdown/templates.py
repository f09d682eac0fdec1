"""Tags of site generators in Markdown (Hugo, Jekyll, MDX): the tags go, the words that readers see stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.knowledge.readers.markdown.admonitions import KINDS, label
from deployments.knowledge.readers.markdown.prose import Piece, Prose

_VALUE = r"""(?:"([^"]*)"|'([^']*)')"""
_TITLE = re.compile(
    rf"(?<![\w-])(?:text|title|caption|label|name|heading|header|summary|content|alt)\s*[=:]\s*{_VALUE}"
)
_DESCRIPTION = re.compile(rf"(?<![\w-])description\s*[=:]\s*{_VALUE}")
_TAB = re.compile(rf"(?<![\w-])value\s*=\s*{_VALUE}")
_SLOT = re.compile(rf"(?<![\w-])slot\s*=\s*{_VALUE}")
_KIND = re.compile(rf"(?<![\w-])(?:type|style|kind|variant)\s*[=:]\s*{_VALUE}")
_VERSION = re.compile(r"[\"']?(v?\d[\w.+-]*)[\"']?[\s/]*$")
_FIRST_VALUE = re.compile(rf"\A\s*{_VALUE}")
_VERSIONED = frozenset(("since", "new-in", "newin", "version-added", "deprecated-in", "added"))
_PICTURES = frozenset(("figure", "img", "image", "imgproc"))
_LINKS = frozenset(("ref", "relref", "link", "post_url"))
_BRANCHES = frozenset(("else", "elsif", "elseif", "elif", "when"))

_SHORTCODE = re.compile(
    r"\{\{[<%]-?\s*(/?)\s*(\w[\w./-]*)((?:(?!\{\{[<%]|[>%]\}\})[^\ud800\ud801])*+)[>%]\}\}"
)
_LIQUID = re.compile(r"\{%-?\s*()(\w[\w./-]*)((?:(?!\{%|%\})[^\ud800\ud801])*+)%\}")
_VARIABLE = re.compile(r"\{\{-?\s*(?:site|page|content|layout|include|theme)\b[^{}\n]*\}\}")
_HIGHLIGHTED = re.compile(
    r"^[ \t]*(?:\{\{[<%]\s*highlight\s+(\w+)[^{}\n]*[>%]\}\}|\{%-?\s*highlight\s+(\w+)[^{}\n]*%\})[ \t]*\n"
    r"((?:(?![ \t]*(?:\{\{[<%]|\{%))[^\n\ud801]*+\n)*+)"
    r"[ \t]*(?:\{\{[<%]\s*/\s*highlight\s*[>%]\}\}|\{%-?\s*endhighlight\s*-?%\})",
    re.MULTILINE,
)
_ATTRIBUTES = r"""(?:[^<>"'{}\ud800\ud801]|"[^"]*"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*+\})*+"""
_COMPONENT = re.compile(rf"<(/?)([A-Z][\w.]*)(?![\w.-])({_ATTRIBUTES})>")
_CLOSED = re.compile(r"</([A-Z][\w.]*)\s*>|<([A-Z][\w.]*)(?=[^<>]{0,2000}/>)")
_FRAGMENT = re.compile(r"</?>")
_MODULE = re.compile(
    r"^(?:import\s(?:[^;'\"\n]|\n(?!\n|import\b)){0,500}?\sfrom\s*['\"][^'\"\n]*['\"]"
    r"|import\s*['\"][^'\"\n]*['\"]);?[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_EXPORT = re.compile(
    r"^export\s+(?:const|let|var|default|function|async|class|\{|\*)(?:[^\n\ud801]+\n?)*+", re.MULTILINE
)
_EXPRESSION = re.compile(r"\{/\*(?:(?!\{/\*|\*/)[^\ud800\ud801])*+\*/\}[ \t]*|\{\s*(?:\"\s*\"|'\s*')\s*\}")


def fenced_highlights(prose: Prose) -> Prose:
    """Turns code between `highlight` tags into fenced code, so that it is code for all that follows."""
    prose.replace(
        _HIGHLIGHTED,
        lambda text, span: ["```", text(1) or text(2), "\n", text(3).rstrip(), "\n```"],
    )
    return Prose(prose.text)


def is_mdx(prose: Prose) -> bool:
    """Whether a text imports modules or has components. MDX has no indented code."""
    return any(pattern.search(prose.mask) is not None for pattern in (_MODULE, _CLOSED))


def remove_templates(prose: Prose) -> None:
    """Removes shortcodes, Liquid tags, and what MDX has besides Markdown."""
    _replaced(prose, _SHORTCODE)
    _replaced(prose, _LIQUID)
    prose.remove(_VARIABLE)
    prose.remove(_EXPRESSION)
    if not is_mdx(prose):
        return  # `<HOST>` is a placeholder
    prose.remove(_MODULE)
    prose.remove(_EXPORT)
    prose.remove(_FRAGMENT)
    _replaced(prose, _COMPONENT, frozenset(name for names in _CLOSED.findall(prose.mask) for name in names))


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag of a template."""

    name: str
    attributes: str
    closing: bool
    alone: bool
    """Whether nothing else is in its line."""

    @property
    def ends(self) -> bool:
        """Whether it closes an element or a block."""
        return self.closing or self.name.startswith("end")

    def words(self) -> str:
        """The words that a reader sees where the tag is."""
        if self.closing:
            return ""
        if self.name in _LINKS:
            return self._value(_FIRST_VALUE) or self.attributes.strip()
        version = _VERSION.search(self.attributes.strip())
        if version is not None and self.name.lower() in _VERSIONED:
            return f"{self.name.replace('-', ' ').capitalize()} {version[1]}"
        title = self._value(_TITLE)
        void = self.attributes.rstrip().endswith("/") or self.name in _PICTURES
        if void or not self.alone:
            return ": ".join(filter(None, (title, self._value(_DESCRIPTION))))
        return label(self._kind(), title or self._tab())

    def _kind(self) -> str:
        first = self.attributes.split(maxsplit=1)[:1]
        kinds = (self._value(_KIND), *first, self.name)
        return next((kind for kind in kinds if kind.lower() in KINDS), "")

    def _tab(self) -> str:
        if "tab" in self.name.lower():
            return self._value(_FIRST_VALUE) or self._value(_TAB)
        return self._value(_SLOT)

    def _value(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self.attributes)
        return " ".join((found[1] or found[2] or "").split()) if found is not None else ""


def _replaced(prose: Prose, pattern: re.Pattern[str], known: frozenset[str] | None = None) -> None:
    def edits() -> Iterator[tuple[int, int, list[Piece]]]:
        before: _Tag | None = None
        last = 0
        for match in pattern.finditer(prose.mask):
            if known is None or match[2] in known:
                start, end = match.span()
                attributes = prose.text[slice(*match.span(3))]
                tag = _Tag(match[2], attributes, bool(match[1]), prose.is_alone(start, end))
                yield start, end, [_separator(before, prose.text[last:start], tag), tag.words()]
                before, last = tag, end

    prose.edit(edits())


def _separator(before: _Tag | None, between: str, tag: _Tag) -> str:
    """What keeps the contents of neighbouring tags apart: `{% if x %}5{% else %}6{% endif %}` is not 56."""
    if before is None or tag.alone:
        return ""
    if tag.name in _BRANCHES:
        return " / " if between.rpartition("\n")[2].strip() else ""
    return " " if not between and before.ends and not tag.ends else ""

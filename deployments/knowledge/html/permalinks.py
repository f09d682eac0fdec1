"""Drops links that a page puts next to its headings, footnotes and code: to themselves, back, to the source."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.html.tree import HEADINGS, attribute, drop, tags, text_of, words_of

_SELF = frozenset({"headerlink", "permalink", "anchor", "anchorjs", "hash", "headinglink", "octicon"})
_COMMANDS = frozenset({"viewcode", "editsection", "copybtn", "clipboard", "skip", "skiplink"})
_COMMAND = re.compile(
    r"(?:skip|jump) to (?:the )?(?:main |page )?(?:content|navigation|search)|(?:back to )?top|"
    r"edit (?:this page|on git\w+)|(?:view|show) (?:page )?source|\[?(?:edit|source)\]?|report (?:a|this) \w+|jump up|return to (?:the )?(?:text|article)",
    re.IGNORECASE,
)
_WORDLESS = re.compile(r"[\W_]*")


def drop_permalinks(root: Tag) -> None:
    """Drops permalinks in any form, links back from footnotes, and commands such as "Edit this page"."""
    for link in tags(root, "a", "span"):
        text = text_of(link)
        words = words_of(attribute(link, "class"))
        if link.name == "a":
            is_chrome = _is_permalink(link, text, words) or bool(_COMMAND.fullmatch(text))
        else:
            is_chrome = False
        if is_chrome or words & _COMMANDS:
            drop(link)


def _is_permalink(link: Tag, text: str, words: set[str]) -> bool:
    href = attribute(link, "href")
    if _WORDLESS.fullmatch(text):
        # A number or a word is a footnote's mark; a sign of a link is not text.
        return "#" in href and link.find("img") is None
    if not (words & _SELF or attribute(link, "aria-label").lower().startswith(("permalink", "link to"))):
        return False
    heading = link.find_parent([*HEADINGS, "dt", "caption", "figcaption"])
    return heading is not None and len(text_of(heading)) > len(text)

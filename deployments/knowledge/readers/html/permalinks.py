"""Drops what a page puts next to headings, footnotes and code: links to themselves, back, to a source."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.readers.html.tree import (
    HEADINGS,
    attribute,
    drop,
    names,
    tags,
    text_of,
    tokens_of,
    words_of,
)

_SELF = frozenset({"headerlink", "permalink", "anchor", "anchorjs", "hash", "headinglink", "octicon"})
_COMMANDS = names(
    "viewcode-link viewcode-back viewcode-block mw-editsection editsection copybtn btn-clipboard"
    " clipboard-copy skip-link skip-links skip-nav skip-to-content skiplink"
)
_COMMAND = re.compile(
    r"(?:skip|jump) to (?:the )?(?:main |page )?(?:content|navigation|search)|(?:back to )?top|"
    r"edit (?:this page|on git\w+)|(?:view|show) (?:page )?source|\[?(?:edit|source)\]?|report (?:a|this) \w+"
    r"|jump up|return to (?:the )?(?:text|article)",
    re.IGNORECASE,
)
_WORDLESS = re.compile(r"[\W_]*")


def drop_permalinks(root: Tag) -> None:
    """Drops permalinks in any form, links back from footnotes, and commands such as "Edit this page"."""
    for tag in tags(root, "a", "span"):
        if tokens_of(attribute(tag, "class")) & _COMMANDS or (tag.name == "a" and _is_chrome(tag)):
            drop(tag)


def _is_chrome(link: Tag) -> bool:
    text, href = text_of(link), attribute(link, "href")
    if _COMMAND.fullmatch(text):
        return True
    if _WORDLESS.fullmatch(text):
        # A number or a word is a footnote's mark; a sign of a link is not text.
        return "#" in href and link.find("img") is None
    classes = words_of(attribute(link, "class"))
    if not (classes & _SELF or attribute(link, "aria-label").lower().startswith(("permalink", "link to"))):
        return False
    heading = link.find_parent([*HEADINGS, "dt", "caption", "figcaption"])
    return heading is not None and len(text_of(heading)) > len(text)

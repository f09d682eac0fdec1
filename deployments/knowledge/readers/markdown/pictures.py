"""Removes pictures that a text carries inside itself, as `data:` URLs: nobody can search or read them."""

from __future__ import annotations

import re

from deployments.knowledge.readers.markdown.prose import Prose

# No part of a pattern can match across the start of another match, so the time is linear.
_MARKDOWN_PICTURE = re.compile(
    r"!\[([^\[\]\n]*)\]\(<?data:[^\s()<>]*>?(?:[ \t]{1,10}(?:\"[^\"\n]*\"|'[^'\n]*'))?\)"
)
_DATA_URL = re.compile(
    r"data:[\w.+-]{1,80}/[\w.+-]{1,80}(?:;[\w.+-]{1,80}=[\w.+-]{1,80}){0,5};base64,[A-Za-z0-9+/=_%-]{100,}"
)
"""Shorter ones stay, since an article may explain what such a URL looks like."""


def without_pictures(text: str) -> str:
    """Replaces `data:` pictures by their alternative texts, and removes other long `data:` URLs."""
    if "data:" not in text:
        return text
    return _DATA_URL.sub("", _MARKDOWN_PICTURE.sub(r"\1", text))


def remove_pictures(prose: Prose) -> None:
    """Does the same outside of code."""
    if "data:" in prose.mask:
        prose.replace(_MARKDOWN_PICTURE, lambda text, span: [span(1)])
        prose.remove(_DATA_URL)

"""Reads a Markdown file of any dialect: its metadata, and the text that a reader of the page sees."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployments.knowledge.cutting.outline import code_lines, outline
from deployments.knowledge.readers.markdown.admonitions import dedent_admonitions, label_admonitions
from deployments.knowledge.readers.markdown.contents_lists import remove_contents_lists
from deployments.knowledge.readers.markdown.embedded_html import replace_html
from deployments.knowledge.readers.markdown.front_matter import FrontMatter, split_front_matter
from deployments.knowledge.readers.markdown.links import (
    dedent_notes,
    remove_badges,
    resolve_links,
    resolve_notes,
)
from deployments.knowledge.readers.markdown.pictures import remove_pictures
from deployments.knowledge.readers.markdown.prose import COMMENT, Prose
from deployments.knowledge.readers.markdown.templates import fenced_highlights, is_mdx, remove_templates

_COMMENTS = re.compile(rf"(?:{COMMENT}+\n?)+|<!--(?:(?!<!--|-->)[^\ud800\ud801])*+-->")
_ATTRIBUTES = re.compile(
    r"[ \t]*\{#[\w:.-]+[^{}\n]*\}[ \t]*$"  # a heading's name
    r"|^[ \t]*\{:[^{}\n]*\}[ \t]*(?:\n|\Z)|\{:[^{}\n]*\}"  # kramdown
    r"|(?<=[\])])\{[ \t]*[.#:][^{}\n]*\}"  # of a link
    r"|(?<=[^\s{])[ \t]+\{[ \t]*\.[\w-]+[^{}\n]*\}[ \t]*$"  # of a heading or picture
    r"|:(?:material|octicons|fontawesome|simple)-[\w-]+:[ \t]*",  # an icon
    re.MULTILINE,
)
_TAB_LINK = re.compile(r"\[([^\[\]\n]*)\]\(#tab/[^()\n]*\)")
_WIKI_LINK = re.compile(r"!?\[\[(?=\S)([^\[\]|\n]{1,200})(?:\|([^\[\]\n]{1,200}))?\]\]")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")


@dataclass(frozen=True, slots=True)
class MarkdownFile:
    """What a Markdown file says."""

    front_matter: FrontMatter
    headings: tuple[str, ...]
    """What may be the title if the front matter has none, the best first."""
    text: str
    """CommonMark."""


def read_markdown(raw: str) -> MarkdownFile:
    """Splits metadata from the text, and removes or resolves what is no text in a rendered page.

    Code is never changed. Line ends must be `\\n`, and there must be no lone surrogates.
    """
    front_matter, text = split_front_matter(raw)
    text = visible_markdown(text)
    headings = sorted(outline(text).headings, key=lambda heading: heading.level > 1)
    names = (_LINK.sub(r"\1", heading.text).strip() for heading in headings)
    return MarkdownFile(front_matter, tuple(filter(None, names)), text)


def visible_markdown(text: str) -> str:
    """Reduces a Markdown text of any dialect to what readers see, as CommonMark."""
    prose = fenced_highlights(Prose(text))
    prose.remove(_COMMENTS)
    dedent_admonitions(prose)
    dedent_notes(prose)
    if not is_mdx(prose):
        prose.protect(code_lines(prose.text))
    remove_templates(prose)
    label_admonitions(prose)
    prose.replace(_TAB_LINK, lambda text, span: [span(1)])
    remove_contents_lists(prose)
    prose.remove(_ATTRIBUTES)
    resolve_notes(prose)
    resolve_links(prose)
    remove_pictures(prose)  # after the definitions: one without its address would take the next line for it
    remove_badges(prose)
    prose.replace(_WIKI_LINK, lambda text, span: [span(2 if text(2) else 1)])
    replace_html(prose)
    prose.replace(_BLANK_LINES, lambda text, span: ["\n\n"])
    return prose.text

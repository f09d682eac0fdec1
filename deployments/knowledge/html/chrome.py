"""Drops what surrounds an article: navigation, contents lists, notices, forms, footers."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.html.tree import HEADINGS, attribute, drop, names, text_of, visible, words_of
from deployments.knowledge.html.weights import Weights

_ROLES = names(
    "navigation search banner contentinfo dialog alertdialog menu menubar toolbar tablist directory"
    " doc-toc doc-pagelist"
)
_NAVIGATION = names(
    "nav navbar navigation menu sidebar sphinxsidebar toc toctree breadcrumb breadcrumbs pagination"
    " pager related topbar language languages locale switcher footer sitemap"
)
"""Words of classes and ids. An element with one is dropped if it consists of links."""
_NOTICES = names(
    "cookie cookies consent gdpr feedback helpful rating share sharing social newsletter subscribe"
    " skip advert ads breadcrumb breadcrumbs footer toolbar"
)
"""Words of classes and ids. An element with one is dropped if it is short."""
_PAGERS = frozenset({"pager", "pagination", "prevnext", "docnav", "navheader", "navfooter"})
_NOTICE_CHARS = 500
_CONTAINERS = names("div section aside ul ol dl p form header footer table details figure")
_LINKS_ABOVE = frozenset({"p", "div", "ul", "ol", "table"})
"""Above the first heading, one of these that consists of links leads to the parts of the site."""
_QUESTION = re.compile(
    r"\W*(?:(?:was|is|did|do) (?:this|you find this)\b.{0,40}\b(?:helpful|useful|help|answer|question)"
    r"|(?:war|ist) diese.{0,40}hilfreich|cet article.{0,40}(?:utile|aidé)"
    r"|¿?(?:te|le|fue|ha sido)\b.{0,40}útil|we use cookies|this (?:site|website) uses cookies)\b",
    re.IGNORECASE | re.DOTALL,
)
_QUESTION_CHARS = 160
_FIELDS = frozenset({"text", "email", "search", "password", "submit", "tel", "url", ""})


def drop_chrome(root: Tag) -> None:
    """Drops all that is not of the article, by its role, its words, and how much of it is links."""
    weights = Weights(root)
    page = weights[root]
    above_title = root.find([*HEADINGS]) is not None
    has_main = root.find(["main", "article"]) is not None or bool(root.find_all(role="main", limit=1))
    for tag in visible(root):
        if not isinstance(tag, Tag) or tag.name in ("html", "body"):
            continue
        weight = weights[tag]
        above_title = above_title and tag.name not in HEADINGS
        if weight.holds_title or (weight.prose > _NOTICE_CHARS and 2 * weight.prose > page.prose):
            continue  # Wrappers have classes such as `has-sidebar`.
        if (
            _is_landmark(tag, has_main)
            or _is_named_chrome(tag, weights)
            or _is_form(tag, weight.text)
            or (above_title and tag.name in _LINKS_ABOVE and 10 * weight.linked > 9 * weight.text)
            or (tag.name in _CONTAINERS and weight.text < _QUESTION_CHARS and _QUESTION.match(text_of(tag)))
        ):
            drop(tag)
        elif _is_contents_list(tag, weights):
            _drop_heading_of(tag)
            drop(tag)


def _is_landmark(tag: Tag, has_main: bool) -> bool:
    if tag.name in ("nav", "search", "menu") or attribute(tag, "role") in _ROLES:
        return True
    if {"prev", "next"} & set(attribute(tag, "rel").split()):
        return tag.name == "a"
    words = words_of(attribute(tag, "class"))
    if tag.name == "footer":
        return tag.find_parent(["blockquote", "figure"]) is None and "footnotes" not in words
    if tag.name in ("header", "aside"):
        inside = tag.find_parent(["main", "article", "section"]) or tag.find_parent(attrs={"role": "main"})
        return inside is None and (tag.name == "header" or has_main)
    return False


def _is_named_chrome(tag: Tag, weights: Weights) -> bool:
    if tag.name not in _CONTAINERS or (not tag.get("class") and not tag.get("id")):
        return False
    words = words_of(attribute(tag, "class"))
    # The id of a section is its heading's text.
    if tag.name != "section" and "section" not in words:
        words = words | words_of(attribute(tag, "id"))
    weight = weights[tag]
    if words & _PAGERS and weight.text < _NOTICE_CHARS:
        return True
    # DocBook has tables in a `table-contents`.
    is_contents = "contents" in attribute(tag, "class").split() or words >= {"of", "contents"}
    if (is_contents or words & _NAVIGATION) and weight.is_links:
        return True
    return bool(words & _NOTICES) and weight.text < _NOTICE_CHARS and tag.find(["pre", "table"]) is None


def _is_form(tag: Tag, chars: int) -> bool:
    """Whether it is a form to write into. Some pages are a form as a whole, and some lists have boxes."""
    return (
        tag.name == "form"
        and chars < _NOTICE_CHARS
        and any(attribute(field, "type") in _FIELDS for field in tag.find_all("input"))
    )


def _is_contents_list(tag: Tag, weights: Weights) -> bool:
    weight = weights[tag]
    return tag.name in ("ul", "ol") and weight.text > 0 and 10 * weight.inner >= 9 * weight.text


def _drop_heading_of(contents: Tag) -> None:
    """Drops "On this page" above a contents list, if nothing else is under it."""
    above = contents.find_previous_sibling()
    if above is None or above.name not in {*HEADINGS, "p", "summary", "strong", "div"}:
        return
    below = contents.find_next_sibling()
    is_alone = above.name not in HEADINGS or below is None or below.name in {*HEADINGS, "section", "div"}
    if is_alone and above.name != "h1" and len(text_of(above).split()) <= 4:
        drop(above)

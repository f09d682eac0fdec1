"""Drops what surrounds an article: navigation, contents lists, notices, forms, footers."""

from __future__ import annotations

import re

from bs4 import Tag

from deployments.knowledge.readers.html.controls import is_writable
from deployments.knowledge.readers.html.notices import (
    has_heading,
    is_in_article,
    is_named_notice,
    is_named_trail,
    is_named_widget,
)
from deployments.knowledge.readers.html.tree import (
    HEADINGS,
    attribute,
    drop,
    names,
    text_of,
    visible,
    words_of,
)
from deployments.knowledge.readers.html.weights import Weight, Weights

_ROLES = names(
    "navigation search banner contentinfo dialog alertdialog menu menubar toolbar tablist directory"
    " doc-toc doc-pagelist"
)
_NAVIGATION = names(
    "nav navbar navigation menu sidebar sphinxsidebar toc toctree breadcrumb breadcrumbs pagination"
    " pager prevnext docnav navheader navfooter related topbar language languages locale switcher footer"
    " sitemap"
)
"""Words of classes. An element with one is dropped if it consists of links."""
_NAVIGATION_IDS = names(
    "nav navbar navigation mw-navigation sidebar toc breadcrumb breadcrumbs pagination topbar sitemap footer"
)
_NOTICE_CHARS = 500
_CONTAINERS = names("div section aside ul ol dl p form header footer table details figure")
_LINKS_ABOVE = frozenset({"p", "div", "ul", "ol", "table"})
"""Above the first heading, one of these that consists of links leads to the parts of the site."""
_QUESTION = re.compile(
    r"\W*(?:(?:was|is) this(?: \w+){0,3} (?:helpful|useful)(?: (?:to|for) you)?\s*\?"
    r"|did (?:this|you find this)(?: \w+){0,3} (?:helpful|useful|help|answer)(?: you| your questions?)?\s*\?"
    r"|(?:war|ist) diese.{0,40}hilfreich\b|cet article.{0,40}(?:utile|aidé)\b"
    r"|¿?(?:te|le|fue|ha sido)\b.{0,40}útil\b)",
    re.IGNORECASE | re.DOTALL,
)
_ANSWERS = names("yes no not really somewhat ja nein oui non si sí não")
_COOKIES = re.compile(r"\W*(?:we use|this (?:site|website) uses) cookies\b", re.IGNORECASE)
_QUESTION_CHARS = 160
_COPYRIGHT = re.compile(r"\W*(?:©|copyright\b|\(c\) ?\d)", re.IGNORECASE)


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
            _is_landmark(tag, weight, has_main)
            or _is_named_chrome(tag, weight)
            or _is_form(tag, weight)
            or (above_title and tag.name in _LINKS_ABOVE and 10 * weight.linked > 9 * weight.text)
            or (tag.name in _CONTAINERS and weight.text < _QUESTION_CHARS and _asks_reader(tag, weight))
        ):
            drop(tag)
        elif _is_contents_list(tag, weights):
            _drop_heading_of(tag)
            drop(tag)


def _is_landmark(tag: Tag, weight: Weight, has_main: bool) -> bool:
    if tag.name in ("nav", "search") or attribute(tag, "role") in _ROLES:
        return True
    if {"prev", "next"} & set(attribute(tag, "rel").split()):
        return tag.name == "a"
    if tag.name == "menu":
        return weight.is_controls
    if tag.name == "footer":
        return _is_site_footer(tag, weight)
    if tag.name in ("header", "aside"):
        inside = is_in_article(tag) or tag.find_parent("section") is not None
        return not inside and (tag.name == "header" or has_main)
    return False


def _is_site_footer(footer: Tag, weight: Weight) -> bool:
    """Whether it is the site's. The footer of an article, a quotation or a figure belongs to them."""
    if "footnotes" in words_of(attribute(footer, "class")):
        return False
    if footer.find_parent(["blockquote", "figure"]) is not None:
        return False
    is_inside = is_in_article(footer) or footer.find_parent("section") is not None
    return weight.is_controls or not is_inside or _COPYRIGHT.match(text_of(footer)) is not None


def _is_named_chrome(tag: Tag, weight: Weight) -> bool:
    if tag.name not in _CONTAINERS or (not tag.get("class") and not tag.get("id")):
        return False
    if weight.is_links and _is_named_navigation(tag):
        return True
    if weight.text >= _NOTICE_CHARS:
        return False
    if weight.linked > 0 and is_named_trail(tag):
        return True
    if tag.find(["pre", "table"]) is not None:
        return False
    if weight.is_controls and is_named_widget(tag):
        return True
    return is_named_notice(tag) and not has_heading(tag) and not is_in_article(tag)


def _is_named_navigation(tag: Tag) -> bool:
    classes = attribute(tag, "class")
    words = words_of(classes)
    # DocBook has tables in a `table-contents`.
    if "contents" in classes.split() or words >= {"of", "contents"} or words & _NAVIGATION:
        return True
    # The id of a section is its heading's text.
    is_section = tag.name == "section" or "section" in words
    return not is_section and attribute(tag, "id").lower() in _NAVIGATION_IDS


def _asks_reader(tag: Tag, weight: Weight) -> bool:
    """Whether it asks for an opinion of the page, or for leave to set cookies."""
    text = text_of(tag)
    if _COOKIES.match(text):
        # An article can say what a site uses cookies for.
        return weight.commands > 0 or is_named_notice(tag)
    question = _QUESTION.match(text)
    if question is None:
        return False
    # An article can answer such a question itself.
    answers = set(re.findall(r"\w+", text[question.end() :].lower()))
    return weight.commands > 0 or weight.linked > 0 or answers <= _ANSWERS


def _is_form(tag: Tag, weight: Weight) -> bool:
    """Whether it is a form to write into. Some pages are a form as a whole, and some lists have boxes."""
    return (
        tag.name == "form"
        and weight.text < _NOTICE_CHARS
        and any(is_writable(field) for field in tag.find_all("input"))
        and (weight.is_controls or not has_heading(tag))
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
    if above.name not in HEADINGS and re.search(r"\d", text_of(above)):
        return  # "Price: 5 EUR"
    if is_alone and above.name != "h1" and len(text_of(above).split()) <= 4:
        drop(above)

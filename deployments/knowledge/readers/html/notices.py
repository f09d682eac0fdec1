"""Knows the names of what surrounds an article: classes, and ids, that are in use for nothing else.

Whole names are compared. A word of a name says too little: `power-rating` and `card-footer` hold facts.
"""

from __future__ import annotations

from bs4 import Tag

from deployments.knowledge.readers.html.tree import HEADINGS, attribute, names, tokens_of

_NOTICES = names(
    "cookie-banner cookie-bar cookie-consent cookie-message cookie-notice cookie-popup cookiebanner"
    " cookieconsent cookies-banner cc-banner cc-window consent-banner gdpr-banner gdpr-notice"
    " newsletter-form newsletter-signup subscribe-form"
    " article-votes article-vote feedback-form feedback-widget page-feedback page-rating was-this-helpful"
    " share-bar share-buttons share-links sharedaddy sharing-buttons social-icons social-links social-share"
    " skip-link skip-links skip-nav skip-to-content skiplink"
    " adsbygoogle ad-banner ad-container ad-slot advertisement google-ad"
    " footer global-footer page-footer site-footer"
)
"""Classes. An element with one is a notice if it is short."""
_NOTICE_IDS = names(
    "cookie-banner cookie-bar cookie-consent cookie-law-info-bar cookie-notice cookieconsent"
    " cybotcookiebotdialog gdpr-cookie-message mc_embed_signup onetrust-banner-sdk onetrust-consent-sdk"
    " usercentrics-root"
)
"""Ids of banners. Other ids are the texts of headings: a section on cookies has the id `cookies`."""
_WIDGETS = names(
    "addthis_toolbox ads advert feedback helpful newsletter rating share sharing social social-media"
    " subscribe toolbar"
)
"""Classes. An element with one is a notice if it consists of links, buttons and fields."""
_TRAILS = names(
    "breadcrumb breadcrumbs bd-breadcrumbs md-breadcrumb theme-doc-breadcrumbs wy-breadcrumbs"
    " docnav navfooter navheader prevnext"
)
"""Classes. An element with one is navigation if it has a link; the place of this page is none."""


def is_named_notice(tag: Tag) -> bool:
    """Whether the name is one of banners and other notices, which hold no facts unless in an article."""
    return not _NOTICES.isdisjoint(_classes(tag)) or attribute(tag, "id").lower() in _NOTICE_IDS


def is_named_widget(tag: Tag) -> bool:
    """Whether the name is one of notices, or of what may also be a part of an article."""
    return is_named_notice(tag) or not _WIDGETS.isdisjoint(_classes(tag))


def is_named_trail(tag: Tag) -> bool:
    """Whether the name is one of a line of links to the pages above, before and after."""
    return not _TRAILS.isdisjoint(_classes(tag))


def has_heading(tag: Tag) -> bool:
    """Whether it is a section with a heading."""
    return tag.find([*HEADINGS]) is not None


def is_in_article(tag: Tag) -> bool:
    """Whether it is inside what the page itself marks as its article or main part."""
    return any(
        parent.name in ("main", "article") or attribute(parent, "role") == "main" for parent in tag.parents
    )


def _classes(tag: Tag) -> set[str]:
    return tokens_of(attribute(tag, "class"))

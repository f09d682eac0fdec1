"""Of a page, the article is read, under its own title."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from deployments.knowledge.readers.html import html_fragment, html_text
from deployments.knowledge.readers.loaders import load

PAGES = Path(__file__).parent / "pages"

ARTICLE = "<h1>T</h1><p>The article has a sentence, which is its text.</p>"


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("chrome.html", "Reset a device", "# Reset a device\n\nHold the button for ten seconds."),
        ("xhtml.html", "Harbor guide", "# Harbor guide\n\nStart the service first."),
        (
            "sphinx.html",
            "Programming FAQ",
            "# Programming FAQ\n\n## Core language\n\n### Why does my loop print only the last value?\n\n"
            "Each function looks its variable up when it is called, not when it is made. "
            "Bind the value as a default.",
        ),
        (
            "linenos.html",
            "Read a file",
            "# Read a file\n\n```\ndef read(path):\n    with open(path) as f:\n        return f.read()\n"
            "print(read('a.txt'))\n```",
        ),
    ],
)
def test_a_saved_page_becomes_its_article(name: str, title: str, text: str) -> None:
    found = load(DocumentDraft(DocId("d"), "", None, "text/html", (PAGES / name).read_bytes()))
    assert (found.title, found.text) == (title, text)


@pytest.mark.parametrize(
    "chrome",
    [
        "<nav>No</nav>",
        "<div role=navigation>No</div>",
        "<header>No</header>",
        "<footer>No</footer>",
        "<footer>© No</footer>",
        "<footer>By <a href=/a>Nora</a></footer>",
        "<div class=cookie-notice>No</div>",
        "<div class=share>Share: <a href=/x>Nowhere</a> <a href=/y>No</a></div>",
        "<div class=newsletter-signup>News every month. <input type=email><button>No</button></div>",
        "<div class=breadcrumbs><a href=/>No</a> / Here</div>",
        "<div class='cookie-banner'>We use cookies. No</div>",
        "<div role=dialog>No</div>",
        "<ul class='pagination'><li>1</li><li><a href=/2>No</a></li></ul>",
        "<div id=sidebar><a href=/x>No</a></div>",
        "<div class=toc><p>Contents</p><ul><li><a href=#a>No</a></li></ul></div>",
        "<h2>On this page</h2><ul><li><a href=#a>No</a></li><li><a href=#b>No</a></li></ul>",
        "<p>In this article:</p><ol><li><a href=#a>No</a></li></ol>",
        "<p>Was this page helpful? <button>Yes</button> <button>No</button></p>",
        "<div>Did this answer your question? No</div>",
        "<form>No <input type=email></form>",
        "<select><option>No</option><option>English</option></select>",
        "<a href=#main>Skip to main content</a>",
        "<a rel=next href=/x>No</a>",
        "<p><a href=/edit>Edit this page</a></p>",
        "<div class='prevnext'>No <a href=/x>next</a></div>",
    ],
)
def test_what_surrounds_an_article_is_left_out(chrome: str) -> None:
    expected = html_text(ARTICLE)[1]
    assert html_text(ARTICLE + chrome)[1] == expected
    # In the part of a page that is marked as its article, only what can't be a fact is left out.
    may_be_fact = "header" in chrome or chrome in ("<footer>No</footer>", "<div class=cookie-notice>No</div>")
    assert html_text(f"<main>{ARTICLE}{chrome}</main>")[1] == expected or may_be_fact


@pytest.mark.parametrize(
    "part",
    [
        "<header><p>Kept</p></header>",
        "<footer>Applies to: Kept</footer>",
        "<section><footer>Applies to: Kept</footer></section>",
        "<p>Did this change help? Yes, by 30 %: Kept</p>",
        "<menu><li>Kept</menu>",
        "<div role=tabpanel style='left: -9999px'>Kept</div>",
        "<div class=cookie-notice>Kept</div>",
        "<p>We use cookies for 30 days. Kept</p>",
        "<p>Is this a question of permissions? Kept</p>",
        "<p>The <span class=skip-rule>Kept</span> rule</p>",
        "<p>Kept: 5 EUR</p><ul><li><a href=#x>a</a></ul>",
        "<form><h2>Limits</h2>Kept, a text on limits that is longer than its field <input></form>",
        "<aside class='admonition note'><p>Kept</p></aside>",
        "<section id=cookies><h2>Cookies</h2><p>Kept</p></section>",
        "<div class='table-contents'><table><tr><th>A</th></tr><tr><td><a href=/x>Kept</a></td>"
        "</tr></table></div>",
        "<ul><li><a href=/x>Kept</a></li></ul>",
        "<ul><li><a href=#x>Kept</a>: a long description of what is there, in words</li></ul>",
        "<details><summary>Question</summary>Kept</details>",
        "<form><p>Kept</p></form>",
        "<blockquote>x<footer>Kept</footer></blockquote>",
        "<p>Press <button>Kept</button>.</p>",
        "<h3><button aria-expanded=false aria-controls=p>How?</button></h3><div id=p hidden>Kept</div>",
    ],
)
def test_parts_of_an_article_stay(part: str) -> None:
    assert "Kept" in html_text(f"<article>{ARTICLE}{part}</article>")[1]


@pytest.mark.parametrize("name", ["cookies", "sharing", "newsletter", "feedback", "footer", "cookie-banner"])
def test_a_section_with_a_heading_stays_whatever_its_name(name: str) -> None:
    section = f"<div id={name} class={name}><h2>Cookies</h2>Kept for 30 days</div>"
    assert "## Cookies\n\nKept for 30 days" in html_text(ARTICLE + section)[1]


@given(
    st.sampled_from(
        ["ads", "cookie", "feedback", "footer", "newsletter", "rating", "share", "skip", "social", "toolbar"]
    ),
    st.sampled_from(["card", "color", "plan", "power", "rule", "table"]),
    st.booleans(),
    st.sampled_from(["class", "id"]),
)
def test_a_part_of_a_name_drops_no_fact(word: str, other: str, is_first: bool, attribute: str) -> None:
    name = f"{word}-{other}" if is_first else f"{other}-{word}"
    assert "Rated 16 A" in html_text(f"{ARTICLE}<div {attribute}={name}>Rated 16 A</div>")[1]


def test_wrappers_with_names_of_what_they_hold_stay() -> None:
    page = f"<body class=has-sidebar><div class='with-toc footer-fixed'>{ARTICLE}</div></body>"
    assert html_text(page) == html_text(ARTICLE)


def test_an_article_is_found_without_main() -> None:
    around = "<div class=promo>Buy a new device today, while there is one.</div>"
    long = ARTICLE + "<p>" + "More of it. " * 50 + "</p>"
    assert html_text(f"<div>{around}</div><div class=content>{long}</div>") == html_text(long)


def test_an_empty_main_is_no_article() -> None:
    assert html_text(f"<main></main><div>{ARTICLE}</div>") == html_text(ARTICLE)


def test_a_page_that_is_all_navigation_is_read_whole() -> None:
    assert html_text("<nav><a href='a.html'>Part one</a></nav>")[1] == "[Part one](a.html)"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Reset | Acme Help</title><p>x</p>", "Reset"),
        ("<title>Reset — Acme 3.1 documentation</title><h1>Reset it<a href=#r>¶</a></h1>", "Reset it"),
        ("<title>Reset - Acme</title><h2>Reset</h2>", "Reset"),
        ("<title>Wi-Fi - reset</title><h2>First step</h2>", "Wi-Fi - reset"),
        ("<header><h1>Acme</h1></header><main><h2>Reset</h2></main>", "Reset"),
        ("<svg><title>Icon</title></svg><h1>Change the plan</h1>", "Change the plan"),
        ("<svg><title>Icon</title></svg><p>x</p>", ""),
        ("<h1>Install <code>x</code></h1>", "Install x"),
    ],
)
def test_the_title_is_the_articles(page: str, title: str) -> None:
    assert html_text(page)[0] == title


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ('<div align="center">', ""),
        ("</div>", ""),
        ("<details><summary>More</summary>", "**More**"),
        ('<h1 align="center">Harbor CLI</h1>', "# Harbor CLI"),
        ('<p align="center"><img src="logo.png" alt="Logo"></p>', "Logo"),
        ("<!-- x --><br>", ""),
        ("<nav>kept</nav>", "kept"),
    ],
)
def test_a_block_of_html_inside_markdown(block: str, text: str) -> None:
    assert html_fragment(block) == text

"""Markdown of every dialect is reduced to what readers see; code is never changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.markdown.reader import read_markdown, visible_markdown

TICKS = "```"
CODE = "import a from 'b'\n<Tabs>{{< x >}} :::note [^1] [r] {#id} <!-- c -->\n\n\n\n[TOC]"
FENCE = f"{TICKS}js\n{CODE}\n{TICKS}"


def seen(text: str) -> str:
    return visible_markdown(text).strip()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("import Tabs from '@theme/Tabs';\nimport {\n  A,\n} from \"a\"\nimport './x.css'\n\nText", "Text"),
        ("import a from 'b'\n\nexport const meta = {\n  a: 1\n}\n\nText", "Text"),
        ("{/* by Kim */}\nText <Badge text='New' /> and {' '}more", "Text New and more"),
        (
            '<Tabs groupId="os">\n<TabItem value="mac" label="macOS">\n\nText\n\n</TabItem>\n</Tabs>',
            "**macOS:**\n\nText",
        ),
        ('<Aside type="caution">\nText\n</Aside>', "**Caution:**\nText"),
        ("<Tooltip tip={() => <b>x</b>}>word</Tooltip> here", "word here"),
        ("Send it to <HOST> or <Your Name>.", "Send it to <HOST> or <Your Name>."),
        (":::warning\n\nText\n\n:::", "**Warning:**\n\nText"),
        ("::: details Click me\nText\n:::\nMore", "**Click me:**\n\nText\nMore"),
        (":::note[Own title]\nText\n:::", "**Note: Own title:**\n\nText"),
        ("> [!NOTE]\n> Text", "> **Note:**\n> Text"),
        ('!!! warning "Mind"\n\n    Text\n\n    - a\n\nMore', "**Warning: Mind:**\n\nText\n\n- a\n\nMore"),
        ('=== "Linux"\n\n    Text\n\n=== "Mac"\n\n    Other', "**Linux:**\n\nText\n\n**Mac:**\n\nOther"),
        ("{{< note >}}\nText\n{{< /note >}}", "**Note:**\nText"),
        ('A {{< glossary_tooltip text="Pod" term_id="pod" >}} runs.', "A Pod runs."),
        ('See [it]({{< ref "a/b.md" >}}).', "See [it](a/b.md)."),
        ("{{< new-in 0.141.0 />}}", "New in 0.141.0"),
        ("{% hint style='info' %}\nText {{ site.name }}\n{% endhint %}", "**Info:**\nText"),
        ("```liquid\n{% highlight ruby %}\nx\n{% endhighlight %}\n```",) * 2,
        ("{% highlight ruby %}\n{{ x }}\n{% endhighlight %}", "```ruby\n{{ x }}\n```"),
        ("## Next steps {#next-steps}\n\nText\n{: .note}\n", "## Next steps\n\nText"),
        ("[Get it](a.md){ .md-button } :octicons-x-16: now", "[Get it](a.md) now"),
        ("Text\n\n<!-- a\n\n```\nb -->\n\nMore <!-- c --> text", "Text\n\nMore  text"),
        ("[[toc]]\n\nText", "Text"),
        ("* TOC\n{:toc}\n\nText", "Text"),
        ("## Contents\n\n- [A](#a)\n  - [B](#b)\n\n## A\n\nText\n\n### B", "## A\n\nText\n\n### B"),
        ("[A](#a) | [B `c`](#b-c-1)\n\n# A\n\n# B `c`\n", "# A\n\n# B `c`"),
        ("- [Ü](#%C3%BC)\n- [B](#own)\n\n# [Ü](/u)!\n\n# B {#own}", "# [Ü](/u)!\n\n# B"),
        ('- [A](#x)\n- [B](#b)\n\n# <a name="x"></a>C\n\n# B', "# C\n\n# B"),
        ("- [Reset takes 10 s](#reset)\n- [Wait 5 min](#wait)",) * 2,
        ("- [Reset takes 10 s](#reset)\n- [Wait](#wait)\n\n# Wait",) * 2,
        ("- [A](#)\n- [B](#)\n\n# !",) * 2,
        ("[TOC]",) * 2,
        ("## Contents\n\n- [A](#contents)\n- [B](#contents)",) * 2,
        ("Price {% if x %}5{% else %}6{% endif %} EUR", "Price 5 / 6 EUR"),
        ("{% case a %}{% when 1 %}5{% when 2 %}6{% endcase %}{% if b %}7{% endif %}", "5 / 6 7"),
        ("{% if x %}\nA\n{% else %}\nB\n{% endif %}", "A\n\nB"),
        ("<Tab>5</Tab><Tab>6</Tab>", "5 6"),
        ("<Tip>Pod</Tip>s", "Pods"),
        ("- [A](#a) is good\n- [B](#b)", "- [A](#a) is good\n- [B](#b)"),
        (
            "Read [this][r], [r] and [that][].\n\n[r]: https://x.example 'T'\n[z]: /z",
            "Read [this](https://x.example), [r](https://x.example) and [that][].",
        ),
        ("Use [`code`][r].\n\n[R]: /r", "Use [`code`](/r)."),
        ("![A picture][p]\n\n[p]: data:image/png;base64,AAAA", "A picture"),
        (
            "It costs 5 EUR[^1] a day[^1].\n\n[^1]: Without\n  tax.\n\nMore",
            "It costs 5 EUR (Without tax.) a day.\n\nMore",
        ),
        ("Unknown[^2] stays.", "Unknown[^2] stays."),
        (
            "5 EUR[^1].\n\n[^1]: Net.\n\n    Tax 2 %.\n    More\n\n\t- a\n\n        code\n\nText\n\n    code",
            "5 EUR (Net.).\n\nTax 2 %.\nMore\n\n- a\n\n    code\n\nText\n\n    code",
        ),
        (f"A[^1].\n\n[^1]: Net.\n{TICKS}\n    a\n{TICKS}", f"A (Net.).\n\n{TICKS}\n    a\n{TICKS}"),
        ("[![Build](https://img.shields.io/x)](https://ci)\n![v](a/badge.svg)\n\nText", "Text"),
        ("<p align='center'><img src='a.png' alt='Our logo'></p>\n\nText", "Our logo\n\nText"),
        (
            "Press <kbd>Ctrl</kbd>, see <a href='/b'>the <b>page</b></a>, 10<sup>6</sup>",
            "Press Ctrl, see [the **page**](/b), 10^6",
        ),
        ("<details>\n<summary>More</summary>\n\nText\n</details>", "More\n\nText"),
        (
            "# [Windows](#tab/windows)\n\nSee [[Page|the page]] and [[Other]].",
            "# Windows\n\nSee the page and Other.",
        ),
    ],
)
def test_marks_go_and_words_stay(text: str, left: str) -> None:
    assert seen(text) == left


def test_an_html_table_becomes_a_table() -> None:
    table = "<table>\n<tr><th>a</th><th>b</th></tr>\n\n<tr><td>1</td><td>2</td></tr>\n</table>"
    assert "| 1 | 2 |" in seen(f"Text\n\n{table}\n\nMore")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('<h1 align="center">Harbor <b>CLI</b></h1>\n\n## Install\n\nx', "Harbor"),
        ("## Sponsors\n\n# Harbor\n\nx", "Harbor"),
        ("# [![b](https://img.shields.io/b)](x) [Harbor](/h)\n\nx", "Harbor"),
        ("Intro\n\nHarbor\n======\n", "Harbor"),
    ],
)
def test_the_title_is_the_first_heading_of_the_highest_level(text: str, title: str) -> None:
    assert read_markdown(text).headings[0].startswith(title)


MARKS = (
    "<Tabs>",
    "</Tabs>",
    "<A b='",
    "<!--",
    "-->",
    "{{< x >}}",
    "{% y %}",
    "{/*",
    "*/}",
    ":::note",
    ":::",
    "[^1]",
    "[^1]: n",
    "[r]: /u",
    "[r]",
    "![a](data:x)",
    "> [!NOTE]",
    "!!! note",
    "    ",
    "- ",
    "`",
    "``",
    "[TOC]",
    "- [a](#b)\n- [c](#d)",
    "<table>",
    "</table>",
    "<h1>",
    "import a from 'b'",
    "export const a = {",
    "|",
    "a",
    "\n",
    "\n\n",
    "{#i}",
    "[[w]]",
)


@given(
    st.lists(st.sampled_from(MARKS), max_size=12).map("\n".join),
    st.lists(st.sampled_from(MARKS), max_size=12),
)
def test_fenced_code_is_never_changed(before: str, after: list[str]) -> None:
    # A comment or span that is open before the code would make it a comment or span.
    before = before.replace("<!--", "")
    text = f"{before}\n\n{FENCE}\n\n" + "".join(after)
    assert FENCE in visible_markdown(text)


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=5), max_size=30).map("".join))
def test_any_text_is_read_and_does_not_grow_much(text: str) -> None:
    text = text.encode("utf-8", "replace").decode().replace("\r", "").replace("\0", "")
    left = visible_markdown(text)
    assert len(left) < 4 * len(text) + 11_000
    left.encode()  # has no mark of the mask

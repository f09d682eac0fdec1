"""Converting a page changes no fact: numbers, tables, code, lists, terms and formulas stay what they are."""

from __future__ import annotations

import pytest

from deployments.knowledge.readers.html import html_text


def table(rows: str, *lines: str) -> tuple[str, str]:
    return f"<table>{rows}</table>", "\n".join(lines)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("10<sup>6</sup> and 10<sup>-6</sup>", "10^6 and 10^-6"),
        ("x<sup>n+1</sup>y", "x^(n+1)y"),
        ("H<sub>2</sub>O, a<sub>i</sub>, 1010<sub>2</sub>", "H2O, a_i, 1010_2"),
        ("1<sup>1</sup>/<sub>2</sub> cups", "1 1/2 cups"),
        ("the 1<sup>st</sup> of Acme<sup>TM</sup>", "the 1st of Acme™"),
        ('30 EUR<sup><a href="#f">1</a></sup>', "30 EUR[1]"),
        ('30 EUR <a class="footnote-reference" href="#f">1</a>', "30 EUR [1]"),
        ("costs <del>30</del> <s>35</s> 40", "costs ~~30~~ ~~35~~ 40"),
        ("<q>yes</q>", '"yes"'),
        ("<kbd><kbd>Ctrl</kbd>+<kbd>C</kbd></kbd>", "`Ctrl+C`"),
        ("so&shy;ft w<wbr>brk <b>B</b>old 10&nbsp;000", "soft wbrk Bold 10 000"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt>字<rt>じ</rt></ruby>", "漢字(かんじ)"),
        (
            "<math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><mfrac><mn>1</mn><mi>y</mi></mfrac></math>",
            "x^2=1/y",
        ),
        (
            "<math><munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>0</mn></mrow><mi>n</mi></munderover>"
            "</math>",
            "∑_(i=0)^n",
        ),
        (
            "<span class=katex><math><annotation encoding='application/x-tex'>a^2</annotation></math></span>"
            "<span aria-hidden=true>a2</span>",
            "$a^2$",
        ),
        ("<ol reversed><li>b<li>a<li value=9>c</ol>", "3. b\n2. a\n9. c"),
        ("<ol type=a start=3><li>x</ol>", "c. x"),
        ("<ul><li><input type=checkbox checked> a<li><input type=checkbox>b</ul>", "* [x] a\n* [ ] b"),
        ("<dl><dt>-f<dd>Force.<dt>-q<dd>Quiet.</dl>", "-f\n:   Force.\n\n-q\n:   Quiet."),
        ("<dl><dt>Wait<dd>30 s<dd>max 60 s</dl>", "Wait\n:   30 s\n:   max 60 s"),
        ("<dl><dt>-f<dt>-g<dd>a<p>b<dt>-h<dd>c</dl>", "-f\n\n-g\n:   a\n\n    b\n\n-h\n:   c"),
        ("a<div>b</div>c<center>d</center>e", "a\n\nb\n\nc\n\nd\n\ne"),
        ('<a href="../a.html" title="t">x</a> <a href="#f">y</a>', "[x](../a.html) y"),
        ("<details><summary>Q?</summary>A<p>B</p></details>", "**Q?**\n\nA\n\nB"),
    ],
)
def test_marks_and_lists(html: str, text: str) -> None:
    assert html_text(html)[1] == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        table(
            "<tr><th>Plan<th>Region<th>Price<tr><td rowspan=2>Team<td>Europe<td>30 EUR<tr><td>Asia<td>35 USD",
            "| Plan | Region | Price |",
            "| --- | --- | --- |",
            "| Team | Europe | 30 EUR |",
            "| Team | Asia | 35 USD |",
        ),
        table(
            "<tr><th rowspan=2>Plan<th colspan=2>Price<tr><th>Month<th>Year<tr><td rowspan=2 colspan=2>a<td>1"
            "<tr><td>2<tr><td colspan=3>Note",
            "| Plan | Price Month | Price Year |",
            "| --- | --- | --- |",
            "| a | a | 1 |",
            "| a | a | 2 |",
            "| Note |",
        ),
        table("<tr><td>Code<td>Use<tr><td>E1<td>x", "| Code | Use |", "| --- | --- |", "| E1 | x |"),
        table(
            "<tr><th>Price<td>30<tr><th>Region<td>EU",
            "|  |  |",
            "| --- | --- |",
            "| Price | 30 |",
            "| Region | EU |",
        ),
        table("<tr><th>A<tr><td>a | b", "| A |", "| --- |", "| a \\| b |"),
        table("<tr><th>A<tr><td><dl><dt>T<dd>1 s<dd>2 s</dl>", "| A |", "| --- |", "| T: 1 s; 2 s |"),
        table("<tr><th>A<tr><td>x<br>y<ul><li>1<li>2</ul>", "| A |", "| --- |", "| x y 1; 2 |"),
        table(
            "<tfoot><tr><td>sum</tfoot><thead><tr><th>A</thead><tbody><tr><td>1",
            "| A |",
            "| --- |",
            "| 1 |",
            "| sum |",
        ),
        table(
            "<tr><th>A<tr><td><table><tr><td>n<td>m<tr><td>o<td>p</table>",
            "| A |",
            "| --- |",
            "| n, m; o, p |",
        ),
        table("<tr><td><h2>H</h2><td><pre>x\n  y</pre>", "## H", "", "```", "x", "  y", "```"),
        table("<caption>C</caption><tr><th>A<tr><td>1", "C", "", "| A |", "| --- |", "| 1 |"),
        table("<tr><td rowspan=0>a<td>1<tr><td>2", "| a | 1 |", "| --- | --- |", "| a | 2 |"),
    ],
)
def test_tables_keep_their_grid(html: str, text: str) -> None:
    assert html_text(html)[1] == text


CODE = "def f():\n    return 1"


@pytest.mark.parametrize(
    "html",
    [
        "<pre><span>def</span> f():\n    return 1\n</pre>",
        "<pre><code>def f():<br>    return 1</code><button>Copy</button></pre>",
        "<pre><span class=linenos>1</span>def f():\n<span class=linenos>2</span>    return 1</pre>",
        "<pre><div class=line>def f():</div><div class=line>    return 1</div></pre>",
        "<pre><ol><li>def f():</li><li>    return 1</li></ol></pre>",
        "<table><tr><td><pre>1\n2</pre></td><td><pre>def f():\n    return 1</pre></td></tr></table>",
        "<table><tr><td class=gutter><pre><span class=line>1</span><br><span class=line>2</span></pre></td>"
        "<td class=code><pre><span class=line>def f():</span><br><span class=line>    return 1"
        "</span></pre></td></tr></table>",
        "<table><tr><td class=blob-num data-line-number=1></td><td class=blob-code>def f():</td></tr>"
        "<tr><td class=blob-num data-line-number=2></td><td class=blob-code>    return 1</td></tr></table>",
        "<pre><code><table class=hljs-ln><tr><td class=hljs-ln-numbers data-line-number=1></td>"
        "<td>def f():</td></tr>"
        "<tr><td class=hljs-ln-numbers data-line-number=2></td><td>    return 1</td></tr></table>"
        "</code></pre>",
    ],
)
def test_code_keeps_its_lines_and_loses_their_numbers(html: str) -> None:
    assert html_text(html)[1] == f"```\n{CODE}\n```"


def test_code_keeps_its_language_and_its_fences() -> None:
    assert html_text("<pre><code class=language-js>a</code></pre>")[1] == "```js\na\n```"
    assert html_text("<div class=highlight-python3><pre>a</pre></div>")[1] == "```python\na\n```"
    assert html_text("<pre>```\nx</pre>")[1] == "````\n```\nx\n````"


@pytest.mark.parametrize(
    "html",
    [
        "<h2>Head<a class=headerlink href=#h>¶</a></h2>",
        "<h2><a href=#h class=anchor></a>Head</h2>",
        "<h2><a href=#h>Head</a> <a href=#h aria-label='Permalink to Head'>#</a></h2>",
        "<h2>Head<a class='hash-link' href=#h>Direct link</a></h2>",
        "<h2><a class=toc-backref href=#t>Head</a></h2>",
        "<h2>Head<span class=mw-editsection>[<a href=/e>edit</a>]</span></h2>",
    ],
)
def test_headings_are_plain(html: str) -> None:
    assert html_text(html)[1] == "## Head"


def test_signatures_head_their_descriptions() -> None:
    method = "<dl><dt class='sig sig-object'>m()</dt><dd>Does it.</dd></dl>"
    term = "<dt class=sig>C(<em>a</em>)<a class=headerlink href=#c>¶</a></dt>"
    page = f"<h1>T</h1><dl>{term}<dd>A class.{method}</dd></dl>"
    assert html_text(page)[1] == "# T\n\n## C(a)\n\nA class.\n\n### m()\n\nDoes it."

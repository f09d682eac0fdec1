"""Every visible word of an article is written once, and no hidden one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.html import html_text

HIDDEN = [
    "<p hidden>{}</p>",
    "<div style='color: red; display : NONE'>{}</div>",
    "<span style='visibility:hidden'>{}</span>",
    "<span class='visually-hidden'>{}</span>",
    "<span class='govuk-visually-hidden'>{}</span>",
    "<span class='sr-only'>{}</span>",
    "<p class='screen-reader-text'>{}</p>",
    "<i aria-hidden=true>{}</i>",
    "<template>{}</template>",
    "<script>{}</script>",
    "<style>{}</style>",
    "<noscript>{}</noscript>",
    "<svg><title>{}</title><text>{}</text></svg>",
    "<!-- {} -->",
    "<?php {} ?>",
    "<select><option>{}</option></select>",
    "<iframe>{}</iframe>",
    "<div class='d-none'><p>{}</p></div>",
]
INLINE = [
    "{}",
    "<b>{}</b>",
    "<i>{}</i>",
    "<code>{}</code>",
    "<a href='x.html'>{}</a>",
    "<span>{}</span>",
    "<s>{}</s>",
    "<kbd>{}</kbd>",
]
BLOCKS = [
    "<p>{}</p>",
    "<h3>{}</h3><p>also</p>",
    "<div>{}</div>",
    "<ul><li>{}</li></ul>",
    "<ol start=4><li>{}<li>also</ol>",
    "<pre>{}</pre>",
    "<blockquote>{}</blockquote>",
    "<dl><dt>also</dt><dd>{}</dd></dl>",
    "<table><tr><th>also</th></tr><tr><td>{}</td></tr></table>",
    "<table><tr><td>also</td><td>{}</td></tr><tr><td>also</td><td>also</td></tr></table>",
    "<details><summary>also</summary>{}</details>",
    "<section><p>{}</p></section>",
    "<figure><figcaption>{}</figcaption></figure>",
    "<aside class=note>{}</aside>",
    "<address>{}</address>",
]


def named(patterns: list[str], prefix: str, numbers: Iterator[int]) -> str:
    return " ".join(re.sub(r"\{\}", lambda _: f"{prefix}{next(numbers)}", pattern) for pattern in patterns)


@given(
    st.lists(
        st.tuples(st.sampled_from(BLOCKS), st.lists(st.sampled_from(INLINE), min_size=1, max_size=4)),
        max_size=6,
    ),
    st.lists(st.sampled_from(HIDDEN), max_size=4),
)
def test_each_visible_word_is_written_once_and_no_hidden_one(
    blocks: list[tuple[str, list[str]]], hidden: list[str]
) -> None:
    numbers = count()
    page = "".join(
        block.format(named(inline, "seen", numbers)) + named(hidden[index : index + 1], "unseen", numbers)
        for index, (block, inline) in enumerate(blocks)
    )
    words = re.findall(r"(?:un)?seen\d+", page)
    seen = [word for word in words if not word.startswith("un")]
    text = html_text(f"<article><h1>Title</h1>{page}</article>")[1]
    assert re.findall(r"(?:un)?seen\d+", text) == seen


@st.composite
def tilings(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """A table whose cells span rows and columns, and the word at each place of its grid."""
    height, width = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    grid: list[list[str]] = [[""] * width for _ in range(height)]
    rows = []
    for row in range(height):
        html = ""
        for column in range(width):
            if grid[row][column]:
                continue
            free = next((i for i in range(column, width) if grid[row][i]), width) - column
            columns = draw(st.integers(1, min(free, width - 1)))
            down = draw(st.integers(1, height - row))
            for i in range(row, row + down):
                for j in range(column, column + columns):
                    grid[i][j] = f"c{row}x{column}"
            html += f"<td rowspan={down} colspan={columns}>c{row}x{column}</td>"
        rows.append(f"<tr>{html}</tr>")
    header = "".join(f"<th>h{column}</th>" for column in range(width))
    return f"<table><tr>{header}</tr>{''.join(rows)}</table>", grid


@given(tilings())
def test_each_place_of_a_table_has_the_cell_that_a_browser_shows_there(
    tiling: tuple[str, list[list[str]]],
) -> None:
    page, grid = tiling
    lines = html_text(page)[1].split("\n")[2:]
    assert lines == [f"| {' | '.join(row)} |" for row in grid]


@pytest.mark.parametrize(
    "scrap",
    [
        "<sup>2</sup>",
        "<li>x",
        "<td>x",
        "<i hidden>x</i> ",
        "<p>Was this helpful?</p>",
        "<br>",
        "<button>q</button><div hidden>x</div>",
        "<h3>q</h3><p hidden>x</p><p hidden>y</p>",
    ],
)
def test_a_page_takes_linear_time(scrap: str) -> None:
    def cpu_s(count: int) -> float:
        started_s = time.process_time()
        html_text("<h1>T</h1><table><tr>" + scrap * count)
        return time.process_time() - started_s

    cpu_s(100)
    assert cpu_s(20_000) < 45 * max(cpu_s(2_000), 0.02)

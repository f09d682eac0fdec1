"""Front matter of every dialect is metadata, and nothing else is."""

from __future__ import annotations

import time
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.markdown.front_matter import (
    MAX_FRONT_MATTER_CHARS,
    MAX_LABEL_CHARS,
    MAX_LABEL_NAME_CHARS,
    MAX_LABELS,
    FrontMatter,
    split_front_matter,
)


@pytest.mark.parametrize(
    "inside",
    [
        "title: Rotate the key",
        'title: "Rotate the key" # shown\n\nslug: /keys',
        "# shown in the sidebar\ntitle: >\n  Rotate\n  the key",
        "ms.date: 01/12/2024\ntitle: Rotate the key\nlast updated: 1\n",
        "author:\n  name: Kim\ntitle: Rotate the key",
        "broken: @x\ntitle: Rotate the key\ndescription: a: b",
    ],
)
def test_yaml_gives_the_title_and_stays_out_of_the_text(inside: str) -> None:
    matter, text = split_front_matter(f"\n---\n{inside}\n---\nBody\n---\n")
    assert (matter.titles, text) == (("Rotate the key",), "Body\n---\n")


def test_values_are_labels_as_they_are_spelt() -> None:
    inside = """
        title: "A: b"
        section: billing
        asked_as:
          - how: so?
          - "it broke"
        description: Long
          story
        tags: [a, b]
        draft: No
        time: 12:30
        version: 1.10
        date: 2024-13-45
        author: {name: Kim, team: docs}
        empty:
        url: https://docs.example.com/a
    """
    matter, _ = split_front_matter(f"---{dedent(inside)}---\nx")
    assert matter == FrontMatter(
        ("A: b",),
        "billing",
        ("how: so?", "it broke"),
        "https://docs.example.com/a",
        {
            "description": "Long story",
            "tags": "a, b",
            "draft": "No",
            "time": "12:30",
            "version": "1.10",
            "date": "2024-13-45",
            "author.name": "Kim",
            "author.team": "docs",
        },
    )


def test_escapes_of_what_databases_refuse_are_replaced() -> None:
    for text in ('{"title": "a\\ud800\\u0000b"}\n\nx', '---\ntitle: "a\\ud800\\0b"\n---\nx'):
        assert split_front_matter(text)[0].titles == ("a?b",)


def test_toml_and_json_are_read_too() -> None:
    toml = '+++\ntitle = "T"\ndate = 2024-01-02\ntags = ["a", "b"]\n[params]\nx = 1\n+++\nBody'
    assert split_front_matter(toml) == (
        FrontMatter(("T",), labels={"date": "2024-01-02", "tags": "a, b", "params.x": "1"}),
        "Body",
    )
    assert split_front_matter('{"title": "T", "tags": ["a"]}\n\nBody') == (
        FrontMatter(("T",), labels={"tags": "a"}),
        "\n\nBody",
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/keys", "ftp://x.example", "https://x.example/ a"])
def test_an_address_that_is_no_web_address_is_a_label(url: str) -> None:
    matter, _ = split_front_matter(f"---\nurl: {url}\n---\nx")
    assert (matter.url, dict(matter.labels)) == (None, {"url": url})


@pytest.mark.parametrize(
    "text",
    [
        "---\n- item\n---\n",
        "---\nno pair\n---\n",
        "---\nWe have two options: a or b.\n---\n",
        "---\ntitle: a\n",
        "a\n---\nb: c\n---\n",
        "+++\nno toml\n+++\n",
        '{"title": "the document itself"}',
        "{not json}\n\nx",
        "---\n" + "title: a\n" * MAX_FRONT_MATTER_CHARS + "---\nx",
    ],
)
def test_other_uses_of_these_marks_stay_text(text: str) -> None:
    assert split_front_matter(text) == (FrontMatter(), text)


def test_empty_front_matter_is_left_out() -> None:
    assert split_front_matter("---\n# nothing\n---\nx") == (FrontMatter(), "x")


LAUGHS = "\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" if n else "a0: &a0 [x]" for n in range(20))
HOSTILE = [
    "[" * 30_000,
    "{" * 30_000,
    "a: b\n" * 6_000,
    "a: [\n" * 6_000,
    "a: 'x\n" * 5_000,
    LAUGHS,
    "- " * 9_000,
]


@pytest.mark.parametrize("inside", [*HOSTILE, f"<<: {LAUGHS}", "x: " + "9" * 20_000, "? " * 9_000])
def test_hostile_yaml_takes_little_time_and_gives_little(inside: str) -> None:
    started_s = time.process_time()
    matter, _ = split_front_matter(f"---\n{inside}\n---\nx")
    assert time.process_time() - started_s < 3
    assert len(str(matter)) < 50_000


@pytest.mark.parametrize("inside", ["a=" + "[" * 30_000, "a." * 10_000 + "b=1", "a={" * 9_000])
def test_hostile_toml_takes_little_time(inside: str) -> None:
    started_s = time.process_time()
    split_front_matter(f"+++\n{inside}\n+++\nx")
    assert time.process_time() - started_s < 5


KEY = st.text("abc._- :", min_size=1, max_size=80)
VALUE = st.recursive(
    st.text(max_size=600) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
)


@given(st.dictionaries(KEY, VALUE, max_size=50))
def test_labels_are_bounded_and_never_blank(values: dict[str, object]) -> None:
    import json

    matter, _ = split_front_matter(json.dumps(values) + "\nBody")
    assert len(matter.labels) <= MAX_LABELS
    str(matter).encode()  # has no lone surrogates
    for name, label in matter.labels.items():
        assert len(name) <= MAX_LABEL_NAME_CHARS
        assert 0 < len(label) <= MAX_LABEL_CHARS
        assert label == " ".join(label.split())


@given(st.text("-+:[]{}&*!|>'\"#%@,? \nab", max_size=60), st.sampled_from(["---", "+++"]))
def test_any_text_between_marks_is_read_or_kept(inside: str, mark: str) -> None:
    text = f"{mark}\n{inside}\n{mark}\nBody"
    _, rest = split_front_matter(text)
    assert text.endswith(rest)
    assert rest.endswith("Body")

"""An answer that a reader opens is read as if it were open; other hidden text is not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.readers.html import html_text

QUESTIONS = [
    "<h3>{}</h3>",
    "<h3><button>{}</button></h3>",
    "<button aria-expanded=false>{}</button>",
    "<div class=question><h3>{}</h3></div>",
    "<div role=button>{}</div>",
]
HIDING = ["hidden", "style='display: none'", "aria-hidden=true", "class='answer is-hidden'"]
ANSWERS = ["<div{}>{}</div>", "<p{}>{}</p>", "<div class=a><div{}><p>{}</p></div></div>"]


@given(
    st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=4),
    st.sampled_from(ANSWERS),
    st.sampled_from(HIDING),
    st.booleans(),
)
def test_collapsed_answers_are_read_as_open_ones(
    questions: list[str], answer: str, hiding: str, in_sections: bool
) -> None:
    def page(attribute: str) -> str:
        items = [
            question.format(f"Question {i}?") + answer.format(attribute, f"{i} days")
            for i, question in enumerate(questions)
        ]
        return "<h1>FAQ</h1><p>Refunds.</p>" + "".join(
            f"<section>{item}</section>" if in_sections else item for item in items
        )

    assert html_text(page(f" {hiding}")) == html_text(page(""))


@pytest.mark.parametrize(
    "faq",
    [
        "<dl><dt>Refund?</dt><dd {}>Kept</dd><dt>Late?</dt><dd {}>20 days</dd></dl>",
        "<details><summary>Refund?</summary><div {}>Kept</div></details>",
        "<button aria-expanded=false>Refund?</button><div {}>Kept</div><p>Ask us.</p>",
        "<h3>Refund?</h3><div class=answer {}>Kept</div><p>Ask us.</p>",
        "<h3>Refund?</h3><div {}>Kept</div><h3>Late?</h3><div {}>20 days</div><p>Ask us.</p>",
        "<h3>Refund?</h3><p {}>Kept</p><p {}>20 days</p>",
    ],
)
def test_an_answer_stays_in_its_list(faq: str) -> None:
    text = html_text(faq.replace("{}", "hidden"))
    assert "Kept" in text[1]
    assert text == html_text(faq.replace("{}", ""))


def test_a_button_over_its_answer_is_the_question() -> None:
    assert (
        html_text("<h1>T</h1><button>Refund?</button><div hidden>14 days</div>")[1]
        == "# T\n\nRefund?\n\n14 days"
    )


@pytest.mark.parametrize(
    "part",
    [
        "<p>Refunds take 5 days.</p><div style='display:none'>No</div><p hidden>No</p>",
        "<h2>Refunds</h2><p hidden>No</p><p>Refunds take 5 days.</p>",
        "<h2>Refunds</h2><span hidden>No</span>",
        "<h2>Refunds <div hidden>No</div></h2>",
        "<h2>Refunds</h2><p class=sr-only>No</p>",
        "<h2>Refunds</h2><div hidden role=dialog>No</div>",
        "<h2>Refunds</h2><div hidden>5 days <p hidden>No</p></div>",
        "<button>Menu</button><ul hidden><li><a href=/x>No</a></ul>",
        "<button>Rate</button><div hidden>No <textarea></textarea></div>",
        "<button>Yes</button><button>Bad</button><p hidden>No</p>",
    ],
)
def test_other_hidden_text_is_not_read(part: str) -> None:
    assert "No" not in html_text(f"<h1>T</h1><p>Text.</p>{part}")[1]

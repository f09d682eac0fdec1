"""Texts for the requests of a trace: passages of their length and questions, from the sample knowledge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import deployments.knowledge

SAMPLES = Path(deployments.knowledge.__file__).parent / "samples"
OPENINGS = ("How do I start with", "What should I know about", "Something is wrong with", "Who can change")


def estimated_tokens(text: str) -> int:
    """About what a tokenizer makes of English, where none is at hand."""
    return round(len(text) / 4.5)


@dataclass(frozen=True, slots=True)
class Passage:
    """A title that no other passage has, and a body."""

    title: str
    body: str


class Texts:
    """The same texts for the same passages, always. `count` is the tokenizer's."""

    def __init__(self, samples: Path = SAMPLES, count: Callable[[str], int] = estimated_tokens) -> None:
        articles = [path.read_text() for path in sorted(samples.rglob("*.md"))]
        self._titles = re.findall(r"^title: (.+)$", "\n".join(articles), re.MULTILINE)
        self._sentences = [sentence for article in articles for sentence in _sentences(article)]
        self._count = count

    def passage(self, passage: int, tokens: int) -> Passage:
        """A body of `tokens` tokens, or one word less."""
        rng, words = Random(f"passage {passage}"), list[str]()
        while self._count(" ".join(words)) < tokens:
            words += rng.choice(self._sentences).split()
        least, most = 1, len(words)  # of words that fit
        while least < most:
            middle = (least + most + 1) // 2
            fits = self._count(" ".join(words[:middle])) <= tokens
            least, most = (middle, most) if fits else (least, middle - 1)
        return Passage(self._title(passage), " ".join(words[:least]))

    def question(self, passages: tuple[int, ...]) -> str:
        """Asks for the two passages that are ranked first."""
        opening = OPENINGS[sum(passages) % len(OPENINGS)]
        return f"{opening} {' and '.join(self._title(passage) for passage in passages[:2])}?"

    def _title(self, passage: int) -> str:
        return f"{self._titles[passage % len(self._titles)]}, part {passage // len(self._titles) + 1}"


def _sentences(article: str) -> list[str]:
    """Of its paragraphs; not of tables, lists, code and what stands above the text."""
    _, _, body = article.rpartition("\n---\n")
    paragraphs = re.sub(r"^```.*?^```", "", body, flags=re.MULTILINE | re.DOTALL).split("\n\n")
    prose = [" ".join(part.split()) for part in paragraphs if part.strip()[:1].isalpha()]
    return [
        sentence for part in prose for sentence in re.split(r"(?<=[.!?]) ", part) if len(sentence.split()) > 3
    ]

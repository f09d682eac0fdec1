"""Texts for the requests of a trace, made from the sample knowledge: passages and questions."""

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
    """About as many tokens as a tokenizer makes of English text."""
    return round(len(text) / 4.5)


@dataclass(frozen=True, slots=True)
class Passage:
    """A unique title, and a body."""

    title: str
    body: str


class Texts:
    """Always makes the same text for the same passage. `count` counts the tokens of a text."""

    def __init__(self, samples: Path = SAMPLES, count: Callable[[str], int] = estimated_tokens) -> None:
        articles = [path.read_text() for path in sorted(samples.rglob("*.md"))]
        self._titles = re.findall(r"^title: (.+)$", "\n".join(articles), re.MULTILINE)
        self._sentences = [sentence for article in articles for sentence in _sentences(article)]
        self._count = count

    def passage(self, passage: int, tokens: int) -> Passage:
        """A passage whose body has `tokens` tokens, or up to one word less."""
        rng, words = Random(f"passage {passage}"), list[str]()
        while self._count(" ".join(words)) < tokens:
            words += rng.choice(self._sentences).split()
        least, most = 1, len(words)  # number of words that fit
        while least < most:
            middle = (least + most + 1) // 2
            fits = self._count(" ".join(words[:middle])) <= tokens
            least, most = (middle, most) if fits else (least, middle - 1)
        return Passage(self._title(passage), " ".join(words[:least]))

    def question(self, passages: tuple[int, ...]) -> str:
        """A question about the two passages ranked first."""
        opening = OPENINGS[sum(passages) % len(OPENINGS)]
        return f"{opening} {' and '.join(self._title(passage) for passage in passages[:2])}?"

    def _title(self, passage: int) -> str:
        return f"{self._titles[passage % len(self._titles)]}, part {passage // len(self._titles) + 1}"


def _sentences(article: str) -> list[str]:
    """Sentences of the paragraphs; without front matter, tables, lists and code."""
    _, _, body = article.rpartition("\n---\n")
    paragraphs = re.sub(r"^```.*?^```", "", body, flags=re.MULTILINE | re.DOTALL).split("\n\n")
    prose = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()[:1].isalpha()]
    return [
        sentence for part in prose for sentence in re.split(r"(?<=[.!?]) ", part) if len(sentence.split()) > 3
    ]

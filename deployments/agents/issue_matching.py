"""Which expected issues a text read from an image mentions, and whether it is urgent.

A phrase is found when its words stand in the text one after the other, whole and in order, whatever their
case, accents' encoding and punctuation; a phrase may run over a line's end but not over a paragraph's.
Two words are the same when they are equal, or when both have at least three characters, at least one of
them mixes letters and digits, and they differ only in what OCR confuses in such codes: o and 0; l, i
and 1. So `Ox80070057` is `0x80070057` and `fai1ed` is `failed`, but `fall` is not `fail`, `10` is not `lo`,
`0x80070005` is another code, and `error` is neither `errors` nor `terror`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from deployments.core.errors import InvalidRequest

MAX_ISSUES = 100
MAX_ISSUE_CHARS = 200
URGENT_PHRASES = (
    *("crash", "crashed", "crashes", "crashing", "data loss", "data lost", "lost data", "data corruption"),
    *("outage", "outages", "security", "breach", "breached", "ransomware", "urgent", "urgently"),
    *("emergency", "critical", "fatal"),
)
"""The rule of `urgency_high`: one of these is in the text or in a detected issue, matched as issues are."""

_WORD = re.compile(r"[^\W_]+")
_CAPITAL_I_FOR_L = re.compile(r"(?<=[a-z])I(?=[a-z]|\b)")
"""No word is written so: `faiIed` was `failed`."""
_CONFUSED = str.maketrans("oli", "011")
_SHORTEST_CODE = 3

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text as they are compared: casefolded, without signs between them."""
    normal = unicodedata.normalize("NFKC", text)
    return tuple(_WORD.findall(_CAPITAL_I_FOR_L.sub("l", normal).casefold()))


def checked_issues(issues: Sequence[object]) -> tuple[str, ...]:
    """The issues, each once, in order. Raises InvalidRequest when they can't be looked for."""
    if isinstance(issues, str) or len(issues) > MAX_ISSUES:
        raise InvalidRequest(f"expected_issues is a list of at most {MAX_ISSUES} texts", "expected_issues")
    return tuple(dict.fromkeys(map(_checked_issue, issues)))


def _checked_issue(issue: object) -> str:
    if isinstance(issue, str) and len(issue) <= MAX_ISSUE_CHARS and words_of(issue):
        return issue
    message = f"an expected issue is a text with a word in it, of at most {MAX_ISSUE_CHARS} characters"
    raise InvalidRequest(message, "expected_issues")


def detected(issues: Sequence[str], paragraphs: Sequence[str]) -> tuple[str, ...]:
    """Those issues that a paragraph mentions, in the order given."""
    texts = [words_of(paragraph) for paragraph in paragraphs]
    return tuple(issue for issue in issues if any(_mentions(text, words_of(issue)) for text in texts))


def urgent(paragraphs: Sequence[str]) -> bool:
    """Whether a paragraph has one of `URGENT_PHRASES`."""
    return bool(detected(URGENT_PHRASES, paragraphs))


def _mentions(text: Words, phrase: Words) -> bool:
    starts = range(len(text) - len(phrase) + 1)
    return any(all(map(_same, text[start : start + len(phrase)], phrase)) for start in starts)


def _same(a: str, b: str) -> bool:
    if a == b:
        return True
    if len(a) != len(b) or len(a) < _SHORTEST_CODE or not (_mixed(a) or _mixed(b)):
        return False
    return a.translate(_CONFUSED) == b.translate(_CONFUSED)


def _mixed(word: str) -> bool:
    return not word.isalpha() and not word.isdecimal()

"""Finds which expected issues an image's text mentions, and whether the text is urgent.

A phrase matches where its words follow each other in the text, whole and in order. Case, punctuation and
the encoding of accents do not matter. A phrase may run over the end of a line, but not of a paragraph.
Two words match if they are equal, or if both have at least three characters, at least one of them mixes
letters and digits, and they differ only in what OCR confuses in such codes: o and 0; l, i and 1. So
`Ox80070057` matches `0x80070057` and `fai1ed` matches `failed`; but `fall` does not match `fail`, nor
`10` `lo`, `0x80070005` is another code, and `error` matches neither `errors` nor `terror`.
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
"""`urgency_high` is true if one of these is in the text or a detected issue, matched as issues are."""

_WORD = re.compile(r"[^\W_]+")
_CAPITAL_I_FOR_L = re.compile(r"(?<=[a-z])I(?=[a-z]|\b)")
"""A capital I after a lower-case letter is a misread l: `faiIed` is `failed`."""
_CONFUSED = str.maketrans("oli", "011")
_SHORTEST_CODE = 3

Words = tuple[str, ...]


def comparable_words(text: str) -> Words:
    """The words of a text as they are compared: casefolded, without punctuation."""
    normal = unicodedata.normalize("NFKC", text)
    return tuple(_WORD.findall(_CAPITAL_I_FOR_L.sub("l", normal).casefold()))


def checked_issues(issues: Sequence[object]) -> tuple[str, ...]:
    """The issues in order, without repeats. Raises InvalidRequest if they can't be matched."""
    if isinstance(issues, str) or len(issues) > MAX_ISSUES:
        raise InvalidRequest(f"expected_issues is a list of at most {MAX_ISSUES} texts", "expected_issues")
    return tuple(dict.fromkeys(map(_checked_issue, issues)))


def _checked_issue(issue: object) -> str:
    if isinstance(issue, str) and len(issue) <= MAX_ISSUE_CHARS and comparable_words(issue):
        return issue
    message = f"an expected issue is a text of at most {MAX_ISSUE_CHARS} characters with a word in it"
    raise InvalidRequest(message, "expected_issues")


def detected(issues: Sequence[str], paragraphs: Sequence[str]) -> tuple[str, ...]:
    """The issues that a paragraph mentions, in the order given."""
    texts = [comparable_words(paragraph) for paragraph in paragraphs]
    words = {issue: comparable_words(issue) for issue in issues}
    return tuple(issue for issue in issues if any(_mentions(text, words[issue]) for text in texts))


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

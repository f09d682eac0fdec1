"""Cuts from a mail's text what its sender did not write for it: quoted mails and signatures."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGNATURE = re.compile(r"^-- $", re.MULTILINE)
"""As mail programs separate it. `--` without the blank is also a rule, or underlines a heading."""
_MAX_SIGNATURE_LINES = 10
_QUOTED = re.compile(r"^\s*>")
_ORIGINAL = re.compile(
    r"^[>* ]{0,9}[-_]{2,40} ?(?:original message|ursprüngliche nachricht|message d.origine"
    r"|mensaje original|messaggio originale)[-_* ]{0,50}$",
    re.IGNORECASE | re.MULTILINE,
)
_OUTLOOK = re.compile(
    r"^[*_]*(?:from|von|de|da)[*_]*:(?=[^\n]{0,300}(?:@|<[^<>\n]{1,300}>))[^\n]{1,300}\n"
    r"(?:[^\n]{0,300}\n){0,3}?"
    r"[*_]*(?:sent|date|gesendet|datum|envoyé|enviado|inviato|data|fecha"
    r"|subject|betreff|objet|asunto|oggetto|assunto)[*_]*:[^\n]{1,300}(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""The headers of a quoted mail. Only a sender with an address: a booking also has From, To and Date."""
_ATTRIBUTION = re.compile(
    r"(?:on|am|le|el|il)\b.{5,300}\b(?:wrote|schrieb.*|a écrit|escribió|ha scritto)\s?:", re.IGNORECASE
)
_MAX_ATTRIBUTION = 1000
_FORWARD = re.compile(
    r"^[-*> ]{0,40}(?:forwarded message|weitergeleitete nachricht|message transféré)", re.I | re.M
)


@dataclass(frozen=True, slots=True)
class OwnText:
    """What a sender wrote."""

    text: str
    quote_cut: bool = False
    """Whether a quoted mail at the end was cut off."""
    signature_cut: bool = False
    """Whether a signature was cut off."""


def own_text(text: str) -> OwnText:
    """Returns the text that a sender wrote.

    Quotes between answers stay, since answers need them; so does a mail that was forwarded.
    """
    if _FORWARD.search(text):
        return OwnText(text.strip())
    unquoted = _without_quote(text)
    own = _without_signature(unquoted)
    if not own:
        return OwnText(text.strip())
    return OwnText(own, len(unquoted) < len(text.strip()), len(own) < len(unquoted))


def _without_quote(text: str) -> str:
    """A text without the mail that is quoted at its end."""
    kept = text
    for start in (_ORIGINAL, _OUTLOOK):
        found = start.search(kept)
        if found is not None and kept[: found.start()].strip():
            kept = kept[: found.start()]
    lines = kept.rstrip().split("\n")
    while lines and (not lines[-1].strip() or _QUOTED.match(lines[-1])):
        lines.pop()
    above = [line for line in lines if line.strip()][-3:]
    for count in range(1, len(above) + 1):
        if _ATTRIBUTION.fullmatch(" ".join(" ".join(above[-count:])[:_MAX_ATTRIBUTION].split())):
            lines = _without_last(lines, count)
            break
    return "\n".join(lines).strip()


def _without_signature(own: str) -> str:
    """A text without its last block, if that is separated as a signature, and short."""
    separators = list(_SIGNATURE.finditer(own))
    if not separators:
        return own
    block = own[separators[-1].end() :].strip("\n").split("\n")
    if len(block) > _MAX_SIGNATURE_LINES or not all(line.strip() for line in block):
        return own
    return own[: separators[-1].start()].strip()


def _without_last(lines: list[str], count: int) -> list[str]:
    """Without the last `count` lines that are not blank."""
    end = len(lines)
    while count:
        end -= 1
        count -= bool(lines[end].strip())
    return lines[:end]

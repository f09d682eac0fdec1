"""Cuts from a mail's text what its sender did not write for it: quoted mails and signatures."""

from __future__ import annotations

import re

_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
_QUOTED = re.compile(r"^\s*>")
_ORIGINAL = re.compile(
    r"^[>* ]{0,9}[-_]{2,40} ?(?:original message|ursprüngliche nachricht|message d.origine"
    r"|mensaje original|messaggio originale)[-_* ]{0,50}$",
    re.IGNORECASE | re.MULTILINE,
)
_OUTLOOK = re.compile(
    r"^[*_]*(?:from|von|de|da)[*_]*:[^\n]{1,300}\n(?:[^\n]{0,300}\n){0,2}?"
    r"[*_]*(?:sent|date|gesendet|datum|envoyé|enviado|inviato)[*_]*:[^\n]{1,300}\n",
    re.IGNORECASE | re.MULTILINE,
)
_ATTRIBUTION = re.compile(
    r"(?:on|am|le|el|il)\b.{5,300}\b(?:wrote|schrieb.*|a écrit|escribió|ha scritto)\s?:", re.IGNORECASE
)
_MAX_ATTRIBUTION = 1000
_FORWARD = re.compile(
    r"^[-*> ]{0,40}(?:forwarded message|weitergeleitete nachricht|message transféré)", re.I | re.M
)


def own_text(text: str) -> tuple[str, bool]:
    """The text that a sender wrote, and whether a quoted mail was cut off.

    Quotes between answers stay, since answers need them; so does a mail that was forwarded.
    """
    if _FORWARD.search(text):
        return text.strip(), False
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
    own = "\n".join(lines).strip()
    is_cut = len(own) < len(text.strip())
    if signatures := list(_SIGNATURE.finditer(own)):
        own = own[: signatures[-1].start()].strip()
    return (own, is_cut) if own else (text.strip(), False)


def _without_last(lines: list[str], count: int) -> list[str]:
    """Without the last `count` lines that are not blank."""
    end = len(lines)
    while count:
        end -= 1
        count -= bool(lines[end].strip())
    return lines[:end]

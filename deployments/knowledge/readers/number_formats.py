"""Shows the values of spreadsheet cells as spreadsheets do."""

from __future__ import annotations

import datetime
import re
from functools import cache

_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|_.|\*.|\[[^\]]*\]')
"""Quoted text, an escaped character, a currency; spaces, fillings and colors, which show nothing."""
_DIGITS = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?")
_DATE_TOKEN = re.compile(r"(AM/PM|A/P|y+|m+|d+|h+|s+(?:\.0+)?)", re.IGNORECASE)
_MAX_DECIMALS = 15
_ISO_DATE, _ISO_TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M"
_LOCAL = {"mm-dd-yy": _ISO_DATE, "m/d/yy h:mm": _ISO_TIME}
"""Formats that stand for those of the reader's country; ISO's can't be misread."""


def shown(value: object, number_format: str) -> str:
    """A value as its cell shows it. Formats with conditions or fractions show the plain number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return _moment(value, number_format)
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return str(value)


def _number(value: float, number_format: str) -> str:
    positive, *others = number_format.split(";")
    chosen = others[0] if value < 0 and others else positive
    prefix, digits, suffix = _parts(chosen)
    if not digits or "E" in suffix.upper()[:1] or "/" in suffix:
        return _plain(value)
    if "%" in suffix:
        value *= 100
    decimals = min(len(digits.partition(".")[2]), _MAX_DECIMALS)
    amount = abs(value) if others and value < 0 else value
    text = f"{amount:,.{decimals}f}" if "," in digits.partition(".")[0] else f"{amount:.{decimals}f}"
    minus = "-" if text.startswith("-") else ""
    optional = digits.partition(".")[2].count("#") if decimals else 0
    number = text.removeprefix("-")
    for _ in range(optional):
        number = number.removesuffix("0")
    whole = number.partition(".")[0]
    padded = whole.zfill(digits.partition(".")[0].replace(",", "").count("0"))
    return f"{minus}{prefix}{padded}{number[len(whole) :]}{suffix}".removesuffix(".").strip()


def _plain(value: float) -> str:
    return f"{value:.15g}" if abs(value) < 1e15 else f"{value:.6g}"


@cache
def _parts(number_format: str) -> tuple[str, str, str]:
    """What stands before the digits, the digits' own format, and what stands after them."""
    literals: list[str] = []

    def kept(found: re.Match[str]) -> str:
        literals.append(found[1] or found[2] or found[3] or "")
        return "\0"

    bare = _LITERAL.sub(kept, number_format)
    digits = _DIGITS.search(bare)
    if digits is None:
        return "", "", ""

    def filled(part: str) -> str:
        return re.sub("\0", lambda _: literals.pop(0), part)

    return filled(bare[: digits.start()]), digits[0], filled(bare[digits.end() :])


def _moment(value: datetime.datetime | datetime.date | datetime.time, number_format: str) -> str:
    pattern = _LOCAL.get(number_format) or _pattern(number_format)
    if not pattern:
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    return value.strftime(pattern)


@cache
def _pattern(number_format: str) -> str:
    """The format for strftime; "" for what names no part of a date."""
    bare = _LITERAL.sub(lambda found: found[1] or found[2] or "", number_format.partition(";")[0])
    parts = _DATE_TOKEN.split(bare.replace("%", "%%"))
    tokens = [part.lower() for part in parts]
    has_half_days = any(token in {"am/pm", "a/p"} for token in tokens)
    out: list[str] = []
    for at, token in enumerate(tokens):
        if at % 2 == 0:
            out.append(parts[at])
        elif token.startswith("m"):
            before, after = tokens[max(at - 2, 0)], tokens[min(at + 2, len(tokens) - 1)]
            is_minute = before.startswith("h") or after.startswith("s")
            out.append("%M" if is_minute else {1: "%m", 2: "%m", 3: "%b"}.get(len(token), "%B"))
        else:
            out.append(_token(token, has_half_days))
    return "".join(out) if len(parts) > 1 else ""


def _token(token: str, has_half_days: bool) -> str:
    if token in {"am/pm", "a/p"}:
        return "%p"
    if token.startswith("y"):
        return "%Y" if len(token) > 2 else "%y"
    if token.startswith("d"):
        return {1: "%d", 2: "%d", 3: "%a"}.get(len(token), "%A")
    if token.startswith("h"):
        return "%I" if has_half_days else "%H"
    return "%S"

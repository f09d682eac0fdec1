"""The charsets that a document may be in: those of the web. Others can take quadratic time to decode."""

from __future__ import annotations

from encodings import normalize_encoding
from encodings.aliases import aliases

_NAMES = {
    "utf_8": "UTF-8",
    "utf_8_sig": "UTF-8-SIG",
    "utf_16": "UTF-16",
    "utf_16_le": "UTF-16LE",
    "utf_16_be": "UTF-16BE",
    "ascii": "US-ASCII",
    "latin_1": "ISO-8859-1",
    **{f"iso8859_{part}": f"ISO-8859-{part}" for part in (*range(2, 12), *range(13, 17))},
    **{f"cp{page}": f"windows-{page}" for page in range(1250, 1259)},
    "gb18030": "GB18030",
    "gbk": "GBK",
    "gb2312": "GB2312",
    "big5": "Big5",
    "big5hkscs": "Big5-HKSCS",
    "euc_jp": "EUC-JP",
    "euc_kr": "EUC-KR",
    "shift_jis": "Shift_JIS",
    "cp932": "CP932",
    "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U",
}
"""Allowed codecs of the standard library, and the names to show for them."""

SUPPORTED = ", ".join(_NAMES.values())


def codec(charset: str) -> str | None:
    """Returns the name of the codec of a declared charset; None if the charset is not supported."""
    name = normalize_encoding(charset).lower()
    name = aliases.get(name, name)
    return name if name in _NAMES else None

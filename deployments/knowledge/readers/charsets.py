"""Decodes texts as browsers do: charsets by their names in the Encoding Standard."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import webencodings
from charset_normalizer import from_bytes

_CODECS = {
    "utf-8": "utf_8",
    "utf-16le": "utf_16_le",
    "utf-16be": "utf_16_be",
    **{f"iso-8859-{part}": f"iso8859_{part}" for part in (*range(2, 9), 10, *range(13, 17))},
    **{f"windows-{page}": f"cp{page}" for page in (874, *range(1250, 1259))},
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "ibm866": "cp866",
    "macintosh": "mac_roman",
}
"""Codecs of the standard library. Those that are left out keep a state or can take quadratic time."""

SUPPORTED = ", ".join(_CODECS)
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16le", codecs.BOM_UTF16_BE: "utf-16be"}
_SAMPLE_BYTES = 20_000
"""The guess looks at so many bytes of lines that are not ASCII."""
_USUAL = "windows-1252"
_SURE_CHARS = 8
"""So many letters that are not ASCII are needed for a guess other than the usual one."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What no text has."""
_C1 = "warmline-c1"


class UnknownCharset(ValueError):
    """A declared charset is none of the web. The message says which ones are."""


class Undecodable(ValueError):
    """Bytes are not of the declared charset. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text."""

    text: str
    guessed: str | None = None
    """Its charset, if it was neither declared nor told by the bytes."""


def codec(label: str) -> str | None:
    """The codec of a charset's name; None if the charset is not supported."""
    encoding = webencodings.lookup(label)
    return _CODECS.get(encoding.name) if encoding is not None else None


def of_page(label: str | None) -> str | None:
    """The charset that an HTML page declares inside: UTF-16 there means UTF-8, or it could not be read."""
    encoding = webencodings.lookup(label) if label is not None else None
    return "utf-8" if encoding is not None and encoding.name.startswith("utf-16") else label


def decoded(raw: bytes, declared: str | None) -> Decoded:
    """The text of `raw`.

    A byte order mark wins over the declared charset. Without either, the text is UTF-8, or else a charset
    is guessed. Raises UnknownCharset, Undecodable.
    """
    for mark, name in _BOMS.items():
        if raw.startswith(mark):
            return Decoded(_strictly(raw[len(mark) :], name))
    if declared is not None:
        return Decoded(_strictly(raw, declared))
    try:
        return Decoded(raw.decode())
    except UnicodeDecodeError as error:
        if _is_nearly_utf8(raw):
            where = f"at byte {error.start:,}"
            raise Undecodable(f"its bytes are not valid UTF-8 {where}, and no charset is declared") from error
    guess = _guessed(raw)
    text = _strictly(raw, guess)
    if _CONTROL.search(text):
        raise Undecodable("it is no text: it has control characters; declare its own Content-Type")
    return Decoded(text, guess)


def _is_nearly_utf8(raw: bytes) -> bool:
    """Whether most characters beyond ASCII are UTF-8: a damaged text is not one in another charset."""
    text = raw.decode(errors="replace")
    wrong = text.count("\ufffd")
    return sum(not char.isascii() for char in text) - wrong > 4 * wrong


def _strictly(raw: bytes, label: str) -> str:
    name = codec(label)
    if name is None:
        raise UnknownCharset(f"unknown charset {label[:40]!r}; supported: {SUPPORTED}")
    try:
        return raw.decode(name, _C1)
    except UnicodeError as error:
        shown = label[:40].upper()
        raise Undecodable(
            f"its bytes are not valid {shown}; declare its charset, for example with "
            "`Content-Type: text/plain; charset=windows-1252`, or send it as UTF-8"
        ) from error


def _keep_controls(error: UnicodeError) -> tuple[str, int]:
    """Decodes a byte that a Windows code page does not use as browsers do: as a control character."""
    if not isinstance(error, UnicodeDecodeError) or not error.encoding.startswith(("cp125", "charmap")):
        raise error
    unused = error.object[error.start : error.end]
    if any(not 0x80 <= byte < 0xA0 for byte in unused):
        raise error
    return unused.decode("latin-1"), error.end


codecs.register_error(_C1, _keep_controls)


def _guessed(raw: bytes) -> str:
    """The name of the charset that a text is probably in."""
    sample = b"\n".join(line[:_SAMPLE_BYTES] for line in raw.splitlines() if not line.isascii())
    sample = sample[:_SAMPLE_BYTES]
    if sum(byte >= 0x80 for byte in sample) < _SURE_CHARS:
        return _USUAL
    names = {codecs.lookup(python).name.replace("-", "_"): name for name, python in _CODECS.items()}
    found = [match.encoding for match in from_bytes(sample, cp_isolation=sorted(set(_CODECS.values())))]
    if not found or _CODECS[_USUAL] in found[:3]:
        return _USUAL
    return names.get(found[0], _USUAL)

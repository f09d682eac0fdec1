"""Writes powers, indexes, marks of footnotes, and formulas in MathML on one line."""

from __future__ import annotations

from bs4 import Tag

from deployments.knowledge.readers.html.tree import DROPPED, attribute, text_of

_ORDINALS = frozenset(["st", "nd", "rd", "th", "er", "re", "e", "ère", "ème"])
_ENDS = ")]/\u2044"
"""Characters after which a number below the line is plain: of a group in a formula, or a fraction."""
_SIGNS = {"TM": "™", "SM": "℠", "R": "®", "(R)": "®", "™": "™", "®": "®", "℠": "℠"}
_OPERATORS = {"msup": "^", "msub": "_", "mfrac": "/", "mover": "^", "munder": "_"}


def script_text(tag: Tag, text: str, sign: str) -> str:
    """Writes the text of a `sup` (`sign` is ^) or `sub` (_) so that it does not join the text around it.

    10 to the 6th is 10^6, and not 106. Marks of footnotes are in brackets, as in "30 EUR[1]". The index of
    a chemical formula, H2O, needs no sign.
    """
    text = text.strip()
    if not text:
        return ""
    before, after = _neighbour(tag, -1), _neighbour(tag, 1)
    if sign == "^" and (
        tag.find("a") is not None or attribute(tag, "role") == "doc-noteref" or text in "*†‡§"
    ):
        return text if not text.isalnum() else f"[{text}]"
    if sign == "^" and text in _SIGNS:
        return _SIGNS[text]
    if sign == "^" and before.isdigit() and text.lower() in _ORDINALS:
        return text
    if sign == "^" and after in "/\u2044" and after and text.isdecimal():
        return f" {text}" if before.isdigit() else text
    if sign == "_" and text.isdecimal() and not after.isdigit() and (before.isalpha() or before in _ENDS):
        return text
    if text.lstrip("-+\u2212").isalnum() and not after.isalnum():
        return sign + text
    return f"{sign}({text})"


def _neighbour(tag: Tag, step: int) -> str:
    """The character right before (-1) or after (1) an element; "" if there is none."""
    sibling = tag.previous_sibling if step < 0 else tag.next_sibling
    if isinstance(sibling, Tag):
        is_own_part = step > 0 and sibling.name in ("sup", "sub")
        text = "" if is_own_part or sibling.name in DROPPED else sibling.get_text()
    else:
        text = str(sibling or "")
    return text[-1:] if step < 0 else text[:1]


def formula(math: Tag) -> str:
    """Writes a formula: as TeX if the page has it, else by the structure of its elements."""
    source = math.find("annotation", attrs={"encoding": "application/x-tex"})
    tex = text_of(source) if source is not None else attribute(math, "alttext").strip()
    return f"${tex}$" if tex else _linear(math)


def _linear(tag: Tag) -> str:
    parts = [
        _linear(child) if isinstance(child, Tag) else str(child).strip()
        for child in tag.contents
        if getattr(child, "name", None) not in ("annotation", "annotation-xml")
    ]
    parts = [part for part in parts if part]
    if tag.name in _OPERATORS and len(parts) == 2:
        return _OPERATORS[tag.name].join(_grouped(part) for part in parts)
    if tag.name in ("msubsup", "munderover") and len(parts) == 3:
        base, below, above = map(_grouped, parts)
        return f"{base}_{below}^{above}"
    if tag.name == "msqrt":
        return f"√({''.join(parts)})"
    if tag.name == "mroot" and len(parts) == 2:
        return f"root({parts[0]}, {parts[1]})"
    return ("; " if tag.name == "mtable" else ", " if tag.name == "mtr" else "").join(parts)


def _grouped(part: str) -> str:
    return part if part.isalnum() or len(part) == 1 else f"({part})"

"""The start-up check of a tokenizer: do its ids represent the texts, also where two segments meet?"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Protocol

from deployments.core.errors import TokenizerRefused
from deployments.core.messages import ChatScaffold
from deployments.core.ports import TextEncoder
from deployments.core.segments import PlainText, document_segment
from deployments.core.token_ids import TokenIds, join
from deployments.token_cache.seam_cases import HOSTILE_TEXTS, SeamCase, seam_cases


class CheckableEncoder(TextEncoder, Protocol):
    """An encoder with what the check compares: its control ids and the whole tokenizer's encoding."""

    @property
    def control_ids(self) -> Mapping[str, int]:
        """Ids of the tokens that only a scaffold may contain, by the text that spells them."""

    def encode_trusted(self, rendered: str) -> TokenIds:
        """Encodes with the whole tokenizer, which finds control tokens anywhere in the text."""


def verify(encoder: CheckableEncoder, scaffold: ChatScaffold) -> tuple[str, ...]:
    """Returns the names of the cases in which a prompt's ids differ from those of the whole prompt.

    The model can read such a prompt all the same; only the tokens at its seams are different (or at its
    scaffold, in cases marked "(rendered)"). So a name here is reported and is not an error.

    Raises TokenizerRefused when ids do not decode to the text, or when text yields a control token.
    """
    for name, text in _texts(encoder.control_ids):
        _check_faithful(encoder, name, text)
    cases = seam_cases(scaffold, encoder.control_ids)
    return seam_failures(encoder, cases) + _rendering_failures(encoder, cases)


def seam_failures(encoder: TextEncoder, cases: Iterable[SeamCase]) -> tuple[str, ...]:
    """Returns the names of the cases whose segments' joined ids differ from the whole prompt's ids."""
    return tuple(
        case.name
        for case in cases
        if join(map(encoder.encode_prompt, case.segments)) != encoder.encode_prompt(case.pieces)
    )


def _rendering_failures(encoder: CheckableEncoder, cases: Iterable[SeamCase]) -> tuple[str, ...]:
    """Returns the cases in which encoding by pieces differs from encoding the rendered prompt.

    Leaves out texts that spell control tokens, because the whole tokenizer would encode those as such.
    """
    return tuple(
        f"{case.name} (rendered)"
        for case in cases
        if not _spells_control(case, encoder.control_ids)
        and encoder.encode_prompt(case.pieces) != encoder.encode_trusted("".join(case.pieces))
    )


def _spells_control(case: SeamCase, controls: Iterable[str]) -> bool:
    text = "\0".join(piece for piece in case.pieces if isinstance(piece, PlainText))
    return any(control in text for control in controls)


def _texts(controls: Iterable[str]) -> Iterable[tuple[str, str]]:
    yield from HOSTILE_TEXTS.items()
    for control in controls:
        yield f"the text {control!r}", f"{control} a{control}b\n{control}"


def _check_faithful(encoder: CheckableEncoder, name: str, text: str) -> None:
    """Raises TokenizerRefused when the text's ids lose something of it, or include a control token.

    Canonical equivalents are accepted: in Unicode, é and e + accent are the same text. All other changes
    are losses: case, blanks, compatibility forms (x² is not x2), unknown characters.
    """
    segment = document_segment("", "", text)
    ids = encoder.encode_text(segment)
    controls = {id_: control for control, id_ in encoder.control_ids.items()}
    if reached := next((controls[id_] for id_ in ids if id_ in controls), None):
        raise TokenizerRefused(f"text yields the control token {reached!r}; case: {name}")
    decoded = encoder.decode(ids)
    if unicodedata.normalize("NFC", decoded) != unicodedata.normalize("NFC", segment):
        raise TokenizerRefused(f"the tokenizer's ids do not decode to the text; case: {name}")

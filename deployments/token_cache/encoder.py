"""The tokenizer that all replicas use. Needs only the `tokenizers` library, not transformers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from deployments.core.errors import InvalidRequest, TokenizerRefused
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds, token_ids
from deployments.token_cache.control_tokens import (
    ControlToken,
    TextTokenizer,
    without_control_tokens,
)

if TYPE_CHECKING:
    from deployments.core.ids import Fingerprint
    from deployments.core.messages import TokenizerBundle


class BundleEncoder:
    """Implements `core.ports.TextEncoder` with two tokenizers made from a bundle.

    The plain one encodes text. It has no control tokens, so no text can spell one; this class itself
    finds control tokens, only in `ScaffoldText`. The whole one decodes, and the start-up check compares
    with it.

    Belongs to one event loop: the library raises "Already borrowed" when threads share a tokenizer.
    """

    def __init__(self, bundle: TokenizerBundle) -> None:
        self._bundle = bundle
        text = without_control_tokens(bundle.tokenizer_json)
        self._plain = _plain(text)
        self._control_ids = {token.content: token.id for token in text.control_tokens}
        self._control_pattern = _pattern(text.control_tokens)

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of vocabulary, merges, added tokens, normalizer and chat template."""
        return self._bundle.fingerprint

    @property
    def vocab_size(self) -> int:
        """Every id is smaller than this."""
        return self._bundle.vocab_size

    @property
    def control_ids(self) -> Mapping[str, int]:
        """Ids of the tokens that only a scaffold may contain, by the text that spells them."""
        return self._control_ids

    def encode_text(self, text: str) -> TokenIds:
        """Returns ids of untrusted text, no control ids. Raises InvalidRequest on lone surrogates."""
        try:
            return token_ids(self._plain.encode(text, add_special_tokens=False).ids)
        except TypeError:
            raise InvalidRequest("the text holds half a character (a lone surrogate)") from None

    def encode_prompt(
        self, pieces: Sequence[ScaffoldText | PlainText], known: MutableMapping[str, TokenIds] | None = None
    ) -> TokenIds:
        """Returns the ids of a prompt. What is between two control tokens is encoded as one text.

        `known` has such texts' ids from earlier calls, and gets those of new ones.
        Raises InvalidRequest on lone surrogates.
        """
        known = {} if known is None else known
        ids = token_ids()
        for run in self._runs(pieces):
            if isinstance(run, int):
                ids.append(run)
                continue
            if run not in known:
                known[run] = self.encode_text(run)
            ids.extend(known[run])
        return ids

    def decode(self, ids: TokenIds) -> str:
        """Returns the text of ids, with the control tokens in it."""
        return str(self._whole.decode(ids.tolist(), skip_special_tokens=False))

    def encode_trusted(self, rendered: str) -> TokenIds:
        """Encodes with the whole tokenizer, so any text can become a control token. For checks only."""
        return token_ids(self._whole.encode(rendered, add_special_tokens=False).ids)

    @cached_property
    def _whole(self) -> Tokenizer:
        return _loaded(self._bundle.tokenizer_json)

    def _runs(self, pieces: Sequence[ScaffoldText | PlainText]) -> Iterator[str | int]:
        """The prompt as texts without control tokens, and the ids of the control tokens between them."""
        run: list[str] = []
        for piece in pieces:
            end = 0
            for found in self._control_pattern.finditer(piece) if isinstance(piece, ScaffoldText) else ():
                run.append(piece[end : found.start()])
                yield "".join(run)
                yield self._control_ids[found.group().strip()]
                run.clear()
                end = found.end()
            run.append(piece[end:])
        yield "".join(run)


def _pattern(controls: Sequence[ControlToken]) -> re.Pattern[str]:
    """Matches the leftmost control token, and of several there the longest, as the tokenizer does."""
    longest_first = sorted(controls, key=lambda token: -len(token.content))
    alternatives = [
        (r"\s*" if token.lstrip else "") + re.escape(token.content) + (r"\s*" if token.rstrip else "")
        for token in longest_first
    ]
    return re.compile("|".join(alternatives) or r"(?!)")


def _plain(text: TextTokenizer) -> Tokenizer:
    plain = _loaded(text.tokenizer_json)
    left = {id_: token.content for id_, token in plain.get_added_tokens_decoder().items()}
    if left != text.blank_tokens:
        raise TokenizerRefused("the tokenizer's added tokens change their ids when some are removed")
    return plain


def _loaded(tokenizer_json: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(tokenizer_json)
    except Exception as error:  # the library raises bare Exception for every fault of a file
        raise TokenizerRefused(f"the tokenizer cannot be loaded: {error}") from error

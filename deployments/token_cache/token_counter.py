"""Counts tokens in any process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from deployments.token_cache.encoder import BundleEncoder

if TYPE_CHECKING:
    from deployments.core.messages import TokenizerBundle


class BundleTokenCounter:
    """Counts the tokens of untrusted texts. Can be pickled; loads the tokenizer at its first use."""

    def __init__(self, bundle: TokenizerBundle) -> None:
        self._bundle = bundle

    def __call__(self, text: str) -> int:
        """Returns how many ids a text has. Raises InvalidRequest on lone surrogates."""
        return len(self._encoder.encode_text(text))

    def __reduce__(self) -> tuple[Any, ...]:
        return BundleTokenCounter, (self._bundle,)

    @cached_property
    def _encoder(self) -> BundleEncoder:
        return BundleEncoder(self._bundle)

"""Loading a model's tokenizer and chat template once, into the bundle that every replica gets.

The only module that imports transformers.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from deployments.core.errors import ConfigurationError
from deployments.core.ids import Fingerprint
from deployments.core.messages import ChatScaffold, TokenizerBundle
from deployments.token_cache.chat_template import Message, scaffold_of
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.seams import verify
from deployments.token_cache.turn_markers import forgeable_markers

log = logging.getLogger(__name__)

TEMPLATE_DATE = date(2024, 7, 26)
"""The date that chat templates get which print today's date. If the date changed at midnight, no cached
prefix could be used afterwards. Llama's own templates fall back to this day."""


def load_bundle(model: str, allow_text_roles: bool = False) -> TokenizerBundle:
    """Loads and checks the tokenizer of a model (a name or a folder). Takes seconds; runs no model code.

    Raises ConfigurationError when the model, its fast tokenizer or a usable chat template is missing, and,
    without `allow_text_roles`, when text could forge the template's turns. Raises TokenizerRefused when
    the ids do not represent the texts.
    """
    tokenizer = _fast_tokenizer(model)
    template = _template(tokenizer, model)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    tokenizer_json = backend.to_str()
    bundle = TokenizerBundle(
        tokenizer_json=tokenizer_json,
        scaffold=scaffold_of(lambda messages: _render(tokenizer, messages)),
        fingerprint=fingerprint(tokenizer_json, template),
        vocab_size=max(backend.get_vocab(with_added_tokens=True).values()) + 1,
    )
    encoder = BundleEncoder(bundle)
    _check_markers(bundle.scaffold, encoder.control_ids, model, allow_text_roles)
    failures = verify(encoder, bundle.scaffold)
    if failures:
        log.warning("joined segments differ from the whole text in %d cases: %s", len(failures), failures)
    return replace(bundle, seam_failures=failures)


def _check_markers(
    scaffold: ChatScaffold, controls: Iterable[str], model: str, allow_text_roles: bool
) -> None:
    markers = forgeable_markers(scaffold, controls)
    if not markers:
        return
    shown = ", ".join(map(repr, markers))
    if not allow_text_roles:
        raise ConfigurationError(
            f"WARMLINE_MODEL: {model} marks turns by ordinary text ({shown}), so that a question or a "
            "document can forge a turn. Choose a model whose markers are special tokens, or set "
            "WARMLINE_ALLOW_TEXT_ROLES=on if you trust all who ask and write"
        )
    log.warning("questions and documents can forge turns: the template marks them by text: %s", shown)


def fingerprint(tokenizer_json: str, template: str) -> Fingerprint:
    """sha256 over the tokenizer's serialisation, with its keys sorted, and the chat template."""
    canonical = json.dumps(json.loads(tokenizer_json), sort_keys=True, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(f"{canonical}\0{template}".encode()).hexdigest())


def _fast_tokenizer(model: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ConfigurationError(f"WARMLINE_MODEL: no tokenizer in {model}: {error}") from error
    if not tokenizer.is_fast:
        raise ConfigurationError(f"WARMLINE_MODEL: {model} has no fast tokenizer (tokenizer.json)")
    return tokenizer


def _template(tokenizer: Any, model: str) -> str:
    try:
        template = str(tokenizer.get_chat_template())
    except ValueError as error:
        raise ConfigurationError(f"WARMLINE_MODEL: {model} has no chat template") from error
    if "date_string" in template or "strftime_now" in template:
        log.warning("the chat template prints a date; it is fixed to %s", TEMPLATE_DATE.isoformat())
    return template


def _render(tokenizer: Any, messages: Sequence[Message]) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=True,
                date_string=TEMPLATE_DATE.strftime("%d %b %Y"),
                strftime_now=TEMPLATE_DATE.strftime,
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the model's chat template fails: {error}") from error

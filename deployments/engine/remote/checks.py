"""Checks whether a vLLM server can be an engine, each time it starts: every failure says what to do."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from deployments.core.errors import ConfigurationError, EngineUnavailable, InvalidRequest
from deployments.core.ids import RequestId
from deployments.core.messages import EngineInfo, GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.token_ids import TokenIds, join, to_bytes
from deployments.engine.remote.completion import UNCOUNTED
from deployments.engine.remote.figures import CacheConfig, ServerFigures
from deployments.engine.remote.http_link import HttpLink, ServerFault
from deployments.engine.remote.remote_engine import SILENT, RemoteEngine, figures_at

log = logging.getLogger(__name__)

URLS = "WARMLINE_ENGINE_URLS"
ANSWERED_WITHIN_S = 60.0
"""Time for each probe. The first generation of a server that has just started sets up its kernels."""
PROBED_BLOCKS = 2
"""Blocks of the probe's prompt: a request finds whole blocks only, and never the last token's."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server has to serve."""

    names: frozenset[str]
    """Names of the model, of which the server has to use one."""
    title: str
    """The model's name in this application."""
    probes: Sequence[tuple[str, TokenIds]]
    """Texts, at least one of them, with their ids by this application's tokenizer."""
    max_model_len: int | None
    """The limit of prompt and answer together, in tokens, that this application keeps; None for the
    server's own."""


@dataclass(frozen=True, slots=True)
class DescribedServer:
    """What a server says of itself."""

    model: str
    """The name that it has for the model."""
    info: EngineInfo
    cache: CacheConfig
    started_at_s: float | None
    """As in `ServerFigures`."""


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """A server that passed."""

    engine: RemoteEngine
    cache: CacheConfig
    probe: TokenIds
    """A prompt of at least one whole block."""
    started_at_s: float | None
    """As in `ServerFigures`."""


class _Card(msgspec.Struct):
    id: str
    root: str | None = None
    max_model_len: int | None = None


class _Cards(msgspec.Struct):
    data: list[_Card]


class _Tokens(msgspec.Struct):
    tokens: list[int]


async def checked(link: HttpLink, expected: Expected) -> CheckedServer:
    """The engine at the other end of `link`. Raises ConfigurationError if it can't be used,
    EngineUnavailable if it does not answer.
    """
    server = await described(link, expected)
    async with _explained(link):
        await _check_tokenizer(link, server.model, expected.probes)
        engine = RemoteEngine(link, server.info, server.model)
        probe = _probe(expected, server.info)
        await _check_answers(link, engine, probe)
    return CheckedServer(engine, server.cache, probe, server.started_at_s)


async def described(link: HttpLink, expected: Expected) -> DescribedServer:
    """What the server says of itself, checked as far as that goes. Raises as `checked` does."""
    async with _explained(link):
        card = await _card(link, expected)
        seen = await figures_at(link)
    cache = _usable(link, seen)
    info = EngineInfo(expected.title, _length(link, card, expected), cache.block_size, cache.tokens)
    return DescribedServer(card.id, info, cache, seen.started_at_s)


@asynccontextmanager
async def _explained(link: HttpLink) -> AsyncIterator[None]:
    try:
        yield
    except ServerFault as fault:
        if fault.status is None or fault.status >= 500:  # a gateway, or a server that is still starting
            raise EngineUnavailable(SILENT) from fault
        if fault.status in {401, 403}:
            raise ConfigurationError(
                f"{link.url} wants another API key: set WARMLINE_ENGINE_API_KEY to the one that vLLM was "
                "started with",
                "WARMLINE_ENGINE_API_KEY",
            ) from fault
        raise _wrong(link, f"is no vLLM server that can be used ({fault})") from fault
    except InvalidRequest as error:
        raise _wrong(link, "refuses a plain generation; its log says why. Is it older than 0.11?") from error
    except EngineUnavailable as error:
        if error.message != UNCOUNTED:
            raise
        raise _wrong(
            link,
            "does not say how many prompt tokens it had cached: start it with --enable-prompt-tokens-details",
        ) from error


def _wrong(link: HttpLink, what: str) -> ConfigurationError:
    return ConfigurationError(f"the vLLM server {link.url} {what}", URLS)


Message = TypeVar("Message")


def _decoded(link: HttpLink, raw: bytes, kind: type[Message]) -> Message:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _wrong(link, f"sends what no vLLM server sends ({error})") from error


async def _card(link: HttpLink, expected: Expected) -> _Card:
    cards = _decoded(link, await link.call("/v1/models"), _Cards).data
    for card in cards:
        if expected.names & {card.id, card.root}:
            return card
    served = ", ".join(card.id for card in cards[:8]) or "no model"
    raise _wrong(
        link,
        f"serves {served}, and not {expected.title}: set WARMLINE_MODEL to the model that it serves, or "
        f"start it with --served-model-name {expected.title}",
    )


def _length(link: HttpLink, card: _Card, expected: Expected) -> int:
    served = card.max_model_len
    if served is None:
        raise _wrong(link, "does not say its max_model_len: is it a vLLM server?")
    if expected.max_model_len is None:
        return served
    if served < expected.max_model_len:
        raise _wrong(
            link,
            f"takes {served} tokens: start it with --max-model-len {expected.max_model_len} or more, or set "
            f"WARMLINE_ENGINE_MAX_MODEL_LEN to at most {served}",
        )
    return expected.max_model_len


def _usable(link: HttpLink, seen: ServerFigures) -> CacheConfig:
    cache = seen.cache
    if cache is None:
        raise _wrong(
            link, "does not say the size of its KV cache in /metrics: start it without --disable-log-stats"
        )
    if not cache.prefix_caching:
        raise _wrong(link, "has no prefix cache: start it with --enable-prefix-caching")
    if cache.engines > 1:
        log.warning(
            "%s has %d engines, and does not say which one answers: what each holds is a guess. Give each "
            "engine a server of its own",
            link.url,
            cache.engines,
        )
    return cache


async def _check_tokenizer(link: HttpLink, model: str, probes: Sequence[tuple[str, TokenIds]]) -> None:
    for text, ids in probes:
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        found = _decoded(link, await link.call("/tokenize", msgspec.json.encode(body)), _Tokens)
        if found.tokens != ids.tolist():
            raise _wrong(
                link,
                f"has another tokenizer than WARMLINE_MODEL: {text[:40]!r} is {found.tokens[:8]}... there, "
                f"and {ids[:8].tolist()}... here. Set WARMLINE_MODEL to the model that it serves",
            )


def _probe(expected: Expected, info: EngineInfo) -> TokenIds:
    text = join(ids for _, ids in expected.probes)
    length = min(PROBED_BLOCKS * info.block_size + 1, info.max_model_len - 1)
    return join([text] * (length // len(text) + 1))[:length]


async def _check_answers(link: HttpLink, engine: RemoteEngine, prompt: TokenIds) -> None:
    """Generates a token three times: a prompt finds its own blocks, and only under the same salt."""
    salt = secrets.token_hex(32)
    await _cached(engine, prompt, salt)
    if not await _cached(engine, prompt, salt):
        raise _wrong(link, "does not find a prompt again: start it with --enable-prefix-caching")
    if await _cached(engine, prompt, secrets.token_hex(32)):
        raise _wrong(link, "ignores cache_salt, which keeps tenants apart: update vLLM")


async def _cached(engine: RemoteEngine, prompt: TokenIds, salt: str) -> int:
    request = GenerateRequest(
        request_id=RequestId(f"probe-{secrets.token_hex(8)}"),
        prompt=to_bytes(prompt),
        sampling=Sampling(max_tokens=1, temperature=0.0),
        cache_salt=salt,
        deadline_s=ANSWERED_WITHIN_S,
        priority=1,
    )
    cached = 0
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            cached = delta.kv_cached_tokens or cached
    return cached

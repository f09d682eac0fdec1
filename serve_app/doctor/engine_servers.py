"""Checks of the vLLM servers that answer in place of engines started here."""

from __future__ import annotations

from functools import partial

from deployments.core.errors import EngineUnavailable
from deployments.engine.remote.checks import Expected, described
from deployments.engine.remote.http_link import HttpLink
from serve_app.doctor.finding import Check, Finding, fail, ok
from serve_app.local_models import names_of_llm
from serve_app.settings import Settings


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """A check of each server; none without `engine_urls`."""
    return [
        (f"engine {number}", partial(server, settings, url, f"engine {number}"))
        for number, url in enumerate(settings.engine_servers(), 1)
    ]


async def server(settings: Settings, url: str, check: str) -> Finding:
    """Whether a server answers, serves the model and has what is needed. Its tokenizer is compared at the
    start of the application only. Raises ConfigurationError, whose message says what to do.
    """
    key = settings.engine_api_key
    link = HttpLink(url, key.get_secret_value() if key else None, connections=1)
    expected = Expected(names_of_llm(settings), settings.model or "", (), settings.engine_max_model_len)
    try:
        info = (await described(link, expected)).info
    except EngineUnavailable as error:
        reason = error.__cause__ or error
        return fail(check, f"{url} does not answer: {reason}", "start it, or correct WARMLINE_ENGINE_URLS")
    finally:
        await link.close()
    return ok(
        check,
        f"{url} takes {info.max_model_len:,} tokens, and holds {info.kv_cache_tokens:,} in its KV cache",
    )

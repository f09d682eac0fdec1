"""The checks of a vLLM server: each failure names the server, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployments.core.errors import ConfigurationError, EngineUnavailable
from deployments.core.messages import EngineInfo
from deployments.core.token_ids import token_ids
from deployments.engine.remote.checks import Expected, checked
from deployments.engine.remote.http_link import HttpLink
from tests.fake_vllm import BLOCK, FakeVllm, serving

TEXT = "What is a text that has some blocks?"
EXPECTED = Expected(frozenset({"fake", "Fake"}), "Fake", [(TEXT, token_ids(map(ord, TEXT)))], None)


async def info(server: FakeVllm, expected: Expected = EXPECTED, key: str | None = None) -> EngineInfo:
    async with serving(server):
        link = HttpLink(server.url, key, 4)
        try:
            return await (await checked(link, expected)).engine.describe()
        finally:
            await link.close()


async def test_a_server_that_passes() -> None:
    """Its figures become those of the engine; three generations of one token have been asked for."""
    server = FakeVllm()
    assert await info(server) == EngineInfo("Fake", 4096, BLOCK, 400)
    assert [request["max_tokens"] for request in server.requests] == [1, 1, 1]
    assert all(len(request["prompt"]) == 2 * BLOCK + 1 for request in server.requests)


@pytest.mark.parametrize("limit", [100, 4096])
async def test_the_applications_own_limit_counts(limit: int) -> None:
    """So servers of different lengths can serve one application."""
    found = await info(FakeVllm(), Expected(EXPECTED.names, "Fake", EXPECTED.probes, limit))
    assert found.max_model_len == limit


@pytest.mark.parametrize("key", ["right", "wrong", None])
async def test_a_server_with_a_key(key: str | None) -> None:
    """It gets the key with every call; without the right one the setting is named."""
    server = FakeVllm(api_key="right")
    if key == "right":
        assert (await info(server, key=key)).max_model_len == 4096
    else:
        with pytest.raises(ConfigurationError, match="WARMLINE_ENGINE_API_KEY"):
            await info(server, key=key)


UNCACHED = {"block_size": "4", "num_gpu_blocks": "9", "enable_prefix_caching": "False"}
NO_DETAILS: Callable[[dict[str, Any]], dict[str, Any]] = lambda event: (  # noqa: E731
    event if event["choices"] else {"choices": [], "usage": {"prompt_tokens": 2 * BLOCK + 1}}
)


@pytest.mark.parametrize(
    ("server", "advice"),
    [
        (FakeVllm(model="other"), "serves other.*WARMLINE_MODEL.*--served-model-name Fake"),
        (FakeVllm(max_model_len=None), "max_model_len"),
        (FakeVllm(max_model_len=50), "--max-model-len 60.*WARMLINE_ENGINE_MAX_MODEL_LEN to at most 50"),
        (FakeVllm(cache_config={}), "--disable-log-stats"),
        (
            FakeVllm(
                cache_config={"block_size": "4", "num_gpu_blocks": "9", "enable_prefix_caching": "False"}
            ),
            "--enable-prefix-caching",
        ),
        (FakeVllm(tokenize=lambda text: [1, 2, 3]), "another tokenizer"),
        (FakeVllm(finds_prompts=False), "--enable-prefix-caching"),
        (FakeVllm(heeds_salt=False), "cache_salt"),
        (FakeVllm(change=NO_DETAILS), "--enable-prompt-tokens-details"),
        (FakeVllm(status=400), "refuses a plain generation"),
    ],
)
async def test_a_server_that_can_not_be_used(server: FakeVllm, advice: str) -> None:
    """The message says with which flag or setting it can."""
    expected = Expected(EXPECTED.names, "Fake", EXPECTED.probes, 60 if server.max_model_len == 50 else None)
    with pytest.raises(ConfigurationError, match=advice) as error:
        await info(server, expected)
    assert server.url in str(error.value)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_that_fails_may_come_back(status: int) -> None:
    """That is no fault of the settings."""
    with pytest.raises(EngineUnavailable):
        await info(FakeVllm(status=status))


async def test_a_server_that_is_none() -> None:
    """Nobody listens there."""
    link = HttpLink("http://127.0.0.1:9", None, 4)
    with pytest.raises(EngineUnavailable):
        await checked(link, EXPECTED)
    await link.close()

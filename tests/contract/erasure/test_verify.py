"""`warmline erase --verify` names every place that has a text, and fails while there is one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.redis.connection import RedisLink
from serve_app import leftovers
from serve_app.cli import app
from tests.contract.conftest import REDIS
from tests.contract.erasure.conftest import ACME, Whole, an_idea


async def verify(whole: Whole, text: str, code: int, **environ: str) -> Any:
    """Runs the command in a process' environment with the settings of `whole`; returns its JSON."""
    settings = whole.settings
    assert settings.database_url is not None
    assert settings.redis_url is not None
    named = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "WARMLINE_STATE_DIR": str(settings.state_dir),
    }
    command = ["erase", "--verify", text, "--json"]
    result = await asyncio.to_thread(CliRunner().invoke, app, command, env=named | environ)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


async def test_it_fails_until_the_text_is_gone(whole: Whole) -> None:
    await whole.business.put_idea(ACME, an_idea("Zo\u00eb's shop", "ann"), None)
    found = await verify(whole, "Zo\u00eb's shop", 1)
    places = [left["place"] for left in found["leftovers"]]
    assert "business_ideas.name" in places  # as it is
    assert "business_ideas.idea" in places  # escaped, in JSON
    await whole.erase(kind="customer", user_id="ann")
    assert await verify(whole, "Zo\u00eb's shop", 0) == {"leftovers": [], "unread": []}


@pytest.mark.parametrize("redis_url", REDIS, indirect=True)
async def test_it_finds_keys_and_values_of_any_type(whole: Whole, link: RedisLink) -> None:
    """On all servers."""
    await link.call(
        ("SET", "warmline:a", "the wombat"),
        ("HSET", "warmline:b", "field", "a Wombat"),
        ("HSET", "warmline:c", "wombat", "1"),
        ("ZADD", "warmline:d", 1, "wombats"),
        ("RPUSH", "warmline:e", "wombat"),
        ("SADD", "warmline:f", "wombat"),
        ("SET", "warmline:wombat", "1"),
        ("SET", "warmline:seg:t/kb:" + "0" * 48, "a damaged wombat"),
        ("HSET", "warmline:ret:t/kb", "0" * 48, "a damaged wombat"),
        ("SET", "of-another-program", "wombat"),
    )
    places = {left["place"] for left in (await verify(whole, "wombat", 1))["leftovers"]}
    named = {f"warmline:{letter}" for letter in "abcdef"} | {"warmline:wombat"}
    assert places == named | {"warmline:seg:t/kb:" + "0" * 48, "warmline:ret:t/kb"}


async def test_it_finds_a_text_on_the_border_of_two_pieces_of_a_file(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_CHUNK_BYTES", 16)
    folder = whole.settings.state_dir / "logs"
    await asyncio.to_thread(folder.mkdir)
    for before in range(40):
        file = folder / f"{before}.log"
        await asyncio.to_thread(file.write_text, "x" * before + "wombat and wombat" + "y" * 20)
    found = (await verify(whole, "wombat", 1))["leftovers"]
    assert len(found) == 40
    assert {left["count"] for left in found} == {2}


async def test_a_store_that_cannot_be_read_is_no_proof(whole: Whole) -> None:
    found = await verify(whole, "wombat", 1, REDIS_URL="redis://127.0.0.1:1")
    assert found["leftovers"] == []
    assert [problem.partition(":")[0] for problem in found["unread"]] == ["redis"]

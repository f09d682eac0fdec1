"""The search for a text that was erased reads Redis with the tokenizer of this machine's model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serve_app.leftovers import search
from serve_app.settings import Settings


def test_a_model_that_was_never_set_up_is_named_and_not_fetched(tmp_path: Path) -> None:
    settings = Settings.from_env({}, model="qwen2.5-coder-0.5b", state_dir=tmp_path)
    searched: list[str] = []
    found = asyncio.run(search(settings, "wombat", searched.append))
    assert searched == ["database", "redis", "files"]
    assert [one for one in found.unread if one.startswith("redis: qwen2.5-coder-0.5b was never set up here")]
    assert not settings.models.exists()

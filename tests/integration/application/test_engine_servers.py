"""The whole application on vLLM servers that are there already: no engine is started.

The servers are `FakeVllm`s with the model's tokenizer; `test_vllm_serve` has a real one.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.token_cache.encoder import BundleEncoder
from tests.fake_vllm import FakeVllm
from tests.integration.application.running import Application, running_application, until

QUESTION = "How do I reset my password?"
CACHE = {"block_size": "32", "num_gpu_blocks": "2000", "enable_prefix_caching": "True"}


class Servers:
    """Two servers on an event loop of their own. The second one is not started yet."""

    def __init__(self, encoder: BundleEncoder) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.all = [
            FakeVllm("smollm2-135m", 8192, cache_config=CACHE, tokenize=lambda text: ids(encoder, text))
            for _ in range(2)
        ]
        for server in self.all:  # both get a port
            self.run(server.start())
        self.run(self.all[1].stop())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def prompts(self) -> list[int]:
        """How many prompts each has got, without probes."""
        return [sum(one["max_tokens"] > 1 for one in server.requests) for server in self.all]

    def close(self) -> None:
        for server in self.all:
            self.run(server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def ids(encoder: BundleEncoder, text: str) -> list[int]:
    return encoder.encode_trusted(text).tolist()


@pytest.fixture(scope="module")
def servers(encoder: BundleEncoder) -> Iterator[Servers]:
    servers = Servers(encoder)
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def served(
    embedded_llm: Path, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    state_dir = tmp_path_factory.mktemp("served")
    urls = ",".join(server.url for server in servers.all)
    with running_application(state_dir, embedded_llm.parent, WARMLINE_ENGINE_URLS=urls) as application:
        yield application


def answered_by(served: Application, servers: Servers, query: str) -> tuple[int, dict[str, Any]]:
    """Which server gets a question, and the answer."""
    before = servers.prompts()
    answer = served.ask(query)
    return [now > then for now, then in zip(servers.prompts(), before, strict=True)].index(True), answer


def test_a_server_that_is_down_is_missed_by_nobody_and_comes_back(
    served: Application, servers: Servers
) -> None:
    """At the start, while the application runs, and when all are down."""
    first, second = servers.all
    log = (served.state_dir / "application.log").read_text()
    assert log.count("Engines: the vLLM servers") == 1
    assert {answered_by(served, servers, f"{QUESTION} {n}")[0] for n in range(4)} == {0}

    servers.run(second.start())
    fresh = (f"Again {n}?" for n in itertools.count())  # the first server holds what it has answered before
    until(lambda: answered_by(served, servers, next(fresh))[0] == 1, 30, "no prompt")

    servers.run(first.stop())
    assert {answered_by(served, servers, f"And now {n}?")[0] for n in range(6)} == {1}

    servers.run(second.stop())
    until(lambda: served.http.get("/readyz").status_code == 503, 30, "still ready")
    refused = served.http.post("/v1/support/answer", json={"query": QUESTION})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")

    servers.run(first.start())
    servers.run(second.start())
    until(lambda: served.http.get("/readyz").status_code == 200, 30, "not ready again")
    assert served.ask(QUESTION)["finish_reason"] == "length"


def test_a_question_goes_to_the_server_that_holds_its_prompt(served: Application, servers: Servers) -> None:
    """By the estimate, since these servers publish no events; the ledger says so."""
    place, answer = answered_by(served, servers, "Where is my invoice?")
    assert answer["reuse"]["estimated"]
    for _ in range(4):
        again, repeated = answered_by(served, servers, "Where is my invoice?")
        assert again == place
        reuse = repeated["reuse"]
        assert reuse["kv_cached_tokens"] == (reuse["prompt_tokens"] - 1) // 32 * 32
        assert repeated["prompt_token_ids"] == answer["prompt_token_ids"]


def test_no_replica_has_imported_vllm(served: Application) -> None:
    """So it can be missing, and no replica needs its memory."""
    replicas = served.pids("ServeReplica")
    for pid in replicas:
        assert "vllm" not in Path(f"/proc/{pid}/maps").read_text()

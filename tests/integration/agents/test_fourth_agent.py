"""An agent that only answers from a collection needs one row (`AgentSpec`) and its samples.

The application runs in this process: token cache with the real tokenizer on the embedded Redis,
knowledge with the real embedder on SQLite, an engine in memory, and the HTTP API. No Ray, no vLLM.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray.serve._private.build_app import build_app

from deployments.agents import specs
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import ConfigurationError
from deployments.core.ids import CollectionName
from deployments.core.messages import Delta
from deployments.core.replica import serving
from deployments.core.salt import entry_seal
from deployments.core.services import EngineReplica
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.counters import EngineCounters
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.service import EngineService
from deployments.rag import usage_reports
from deployments.redis.connection import RedisLink, expect
from deployments.redis.embedded_server import EmbeddedRedis
from serve_app.agents import build_of
from serve_app.assembly import knowledge as knowledge_assembly
from serve_app.assembly import records as records_assembly
from serve_app.assembly import redis as redis_assembly
from serve_app.assembly.agents import AgentPeers
from serve_app.assembly.records import knowledge_and_records
from serve_app.assembly.token_cache import token_cache as token_cache_services
from serve_app.ingress import AgentHandle, Ingress
from serve_app.settings import Settings
from serve_app.setup.models import embedded_embedding_model
from serve_app.wiring import build_graph
from tests.fakes import FakeGenerator
from tests.local_handle import LocalHandle, replica_built, replica_of

REFUNDS = AgentSpec(
    name="refunds",
    deployment="Refunds",
    collection=CollectionName("refunds_kb"),
    ttl_s=600,
    max_context_tokens=2048,
    temperature=0.2,
    max_tokens=64,
    preamble="You decide on refunds. Answer using only the rules below.",
    no_context="I don't know: no rule of refunds covers this.",
)
AGENTS = (*specs.AGENTS, REFUNDS)
QUESTION = "How many days does a customer have to return a bicycle?"
RULE = "A customer can return a bicycle within 30 days and gets the whole price back."
SAMPLE = "---\ntitle: Gift cards\n---\nThe price of a gift card is never refunded.\n"
ANSWER = "Within 30 days."


class MemoryEngine(FakeGenerator):
    """A `LocalEngine` that always answers ANSWER."""

    def __init__(self) -> None:
        ids = to_bytes(token_ids(range(4)))
        super().__init__(Delta(ANSWER, ids, "stop", 0, 0.1, 1.0, 2.0))

    def counters(self) -> EngineCounters:
        return EngineCounters()

    async def check_health(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class FourAgents:
    """The application with four agents. `http` calls its API, `redis` is its shared store."""

    http: httpx.AsyncClient
    redis: RedisLink

    async def post(self, path: str, **body: Any) -> Any:
        """The JSON of a response that must be 200."""
        response = await self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def ask(self, query: str) -> dict[str, Any]:
        """A chat completion of the new agent."""
        messages = [{"role": "user", "content": query}]
        answer: dict[str, Any] = await self.post("/v1/chat/completions", model="refunds", messages=messages)
        return answer

    async def store_rule(self) -> None:
        """Puts RULE into the new agent's collection."""
        response = await self.http.put(
            "/v1/collections/refunds_kb/documents/bicycles",
            json={"title": "Returning a bicycle", "content": RULE},
        )
        assert response.status_code == 200, response.text

    async def segment_ttls_s(self) -> list[int]:
        """Seconds that the collection's segments have left in the shared store."""
        (names,) = await self.redis.call(("KEYS", "warmline:seg:default/refunds_kb:*"))
        return [expect(int, ttl) for ttl in await self.redis.call(*(("TTL", n) for n in expect(list, names)))]


@pytest.fixture(autouse=True)
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the row to the table of agents, as an edit of `specs.py` would."""
    monkeypatch.setattr(specs, "AGENTS", AGENTS)


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the samples by one document of the new collection: fewer documents to embed."""
    folder = tmp_path / "samples"
    (folder / REFUNDS.collection).mkdir(parents=True)
    (folder / REFUNDS.collection / "gift-cards.md").write_text(SAMPLE)
    (folder / "business_templates.json").write_text(json.dumps([]))
    for module in (knowledge_assembly, records_assembly):
        monkeypatch.setattr(module, "SAMPLES", folder)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedRedis(tmp_path / "state")
    yield server.acquire()
    server.release()


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    """Settings as an operator writes them who also names the new agent."""
    return Settings.from_env(
        {
            "WARMLINE_STATE_DIR": str(tmp_path / "state"),
            "WARMLINE_ORDER": "best_first,refunds=rank",
            "WARMLINE_SHARE_ANSWERS": "support,refunds",
            "WARMLINE_REDIS_TIMEOUT_MS": "10000",
            "REDIS_URL": redis_url,
        }
    )


@pytest.fixture
async def links(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[RedisLink]]:
    """The links that the application opens, and which stay open until its processes end."""
    opened: list[RedisLink] = []

    def open_link(*arguments: Any, **named: Any) -> RedisLink:
        opened.append(RedisLink(*arguments, **named))
        return opened[-1]

    monkeypatch.setattr(redis_assembly, "RedisLink", open_link)
    yield opened
    for link in opened:
        await link.close()


@pytest.fixture
async def four_agents(
    settings: Settings,
    embedded_llm: Path,
    links: list[RedisLink],
    samples: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[FourAgents]:
    for interval in ("SPEND_EVERY_S", "STORE_EVERY_S"):
        monkeypatch.setattr(usage_reports, interval, 0.01)
    token_cache = LocalHandle(
        await replica_built(partial(token_cache_services, settings, str(embedded_llm), AGENTS))
    )
    stored = await knowledge_and_records(settings, str(embedded_embedding_model()), token_cache)
    knowledge = LocalHandle(await replica_of(*stored))
    engine = LocalHandle(await replica_of(serving(EngineReplica)(await _engine_service())))
    peers = AgentPeers(AGENTS, token_cache, knowledge, engine, b"secret")
    handles = [
        AgentHandle(spec, LocalHandle(await replica_built(build_of(spec, settings, peers))))
        for spec in AGENTS
    ]
    app = Ingress(settings, handles, knowledge, token_cache, engine).__serve_build_asgi_app__()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        yield FourAgents(http, links[0])
    await asyncio.sleep(0.2)  # until the last reports have been sent
    await stored[0].service.close()
    await stored[0].service._database.close()


async def test_its_usage_is_counted(four_agents: FourAgents) -> None:
    """By agent, and against the tenant's quotas."""
    await four_agents.store_rule()
    ledger = (await four_agents.ask(QUESTION))["warmline"]
    await asyncio.sleep(0.5)
    (row,) = (await four_agents.http.get("/v1/usage", params={"by": "agent"})).json()["usage"]
    assert (row["agent"], row["requests"]) == ("refunds", 1)
    reuse = ledger["reuse"]
    assert row["prompt_tokens_computed"] + row["prompt_tokens_reused"] == reuse["prompt_tokens"]
    quotas = (await four_agents.http.get("/v1/quotas")).json()["quotas"]
    assert quotas["prompt_tokens_per_day"]["used"] == reuse["prompt_tokens"]
    assert quotas["documents"]["used"] == 2


async def _engine_service() -> EngineService:
    engine = MemoryEngine()
    name = ReplicaName("replica", "epoch")
    return await EngineService.start(
        ResidentEngine(engine, await engine.describe(), name, EngineTurns(20, 80), time.monotonic)
    )


async def test_it_answers_from_its_samples_and_its_documents(four_agents: FourAgents) -> None:
    """As a model of its name, with citations, in the order that the settings give it."""
    models = (await four_agents.http.get("/v1/models")).json()["data"]
    assert [model["id"] for model in models] == [spec.name for spec in AGENTS]
    await four_agents.store_rule()
    answer = await four_agents.ask(QUESTION)
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("refunds", ANSWER)
    assert [source["doc_id"] for source in answer["warmline"]["citations"]] == ["bicycles"]
    assert answer["warmline"]["reuse"]["order"] == "rank"
    from_sample = await four_agents.ask("Is the price of a gift card refunded?")
    assert "gift-cards" in [source["doc_id"] for source in from_sample["warmline"]["citations"]]
    declined = await four_agents.ask("Who won the football match?")
    assert declined["choices"][0]["message"]["content"] == REFUNDS.no_context


async def test_the_second_question_finds_the_segments_of_the_first(four_agents: FourAgents) -> None:
    """The segments have its TTL. The cache API clears them, counts hits and warms its prompts."""
    await four_agents.store_rule()
    ttls_s = await four_agents.segment_ttls_s()
    assert len(ttls_s) == 2, "the sample and the rule"
    assert all(REFUNDS.ttl_s - 60 < ttl_s <= REFUNDS.ttl_s for ttl_s in ttls_s)
    assert (await four_agents.post("/v1/cache/clear", agent="refunds"))["cleared"] == 2
    first, second = [(await four_agents.ask(QUESTION))["warmline"] for _ in range(2)]
    assert (first["cache_hit"], first["reuse"]["tokenized"]) == (False, 1)
    assert (second["cache_hit"], second["reuse"]["l1"]) == (True, 1)
    stats = (await four_agents.http.get("/v1/cache/stats")).json()
    assert set(stats) == {spec.name for spec in AGENTS}
    assert (stats["refunds"]["cache_hits"], stats["refunds"]["cache_misses"]) == (1, 1)
    warmed = await four_agents.post("/v1/cache/warm", agent="refunds", questions=[QUESTION])
    assert warmed["refunds"]["prompts"] == 1


def test_settings_know_its_name(settings: Settings) -> None:
    assert (settings.order_of("refunds"), settings.order_of("support")) == ("rank", "best_first")
    assert settings.shares_answers("refunds")
    with pytest.raises(ConfigurationError, match="support, business, documentation, refunds"):
        Settings.from_env({"WARMLINE_ORDER": "sales=rank"})


def test_it_has_a_deployment_of_its_own(settings: Settings) -> None:
    """It scales as every agent does, and Knowledge admits a waiting call for each of its replicas."""
    deployments, three = (_deployments(settings, agents) for agents in (AGENTS, AGENTS[:3]))
    assert deployments.keys() - three.keys() == {"Refunds"}
    scale = deployments["Refunds"]._deployment_config.autoscaling_config
    assert (scale.min_replicas, scale.max_replicas) == (
        settings.agent_min_replicas,
        settings.agent_max_replicas,
    )
    more = deployments["Knowledge"].max_ongoing_requests - three["Knowledge"].max_ongoing_requests
    assert more == settings.agent_max_replicas


def test_all_that_read_entries_in_redis_get_the_seal(tmp_path: Path) -> None:
    """It is derived from the secret."""
    deployments = _deployments(Settings.from_env({}, state_dir=tmp_path), AGENTS)
    seal = entry_seal(b"secret")
    assert seal in _build_arguments(deployments["TokenCache"])
    for spec in AGENTS:
        (peers,) = (one for one in _build_arguments(deployments[spec.deployment]) if hasattr(one, "seal"))
        assert peers.seal == seal


def _build_arguments(deployment: Any) -> tuple[Any, ...]:
    """What the function gets that makes a deployment's services."""
    (build,) = (one for one in deployment.init_args[0].args if isinstance(one, partial))
    return build.args


def _deployments(settings: Settings, agents: Sequence[AgentSpec]) -> dict[str, Any]:
    graph = build_graph(settings, b"secret", agents)
    built = build_app(graph, name="default", make_deployment_handle=lambda *_: None)
    return {deployment.name: deployment for deployment in built.deployments}

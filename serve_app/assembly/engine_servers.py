"""Builds the service of an Engine replica that sends its prompts to a vLLM server which is there already.

Each replica has one server, so agents choose between servers as between engines that are started here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.core.messages import TokenizerBundle
from deployments.core.replica import Served
from deployments.core.services import TokenCache
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.remote.checks import Expected, checked
from deployments.engine.remote.event_source import follow_events
from deployments.engine.remote.followed_server import FollowedServer, ServerRun
from deployments.engine.remote.http_link import HttpLink
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.service import EngineService
from deployments.engine.warming import WarmStart, warm_before_ready
from deployments.token_cache.encoder import BundleEncoder
from serve_app import scaling
from serve_app.assembly.engine import served, shared_answers
from serve_app.engine.replica_name import replica_name, replica_rank
from serve_app.local_models import Models, names_of_llm
from serve_app.metrics.engine_counters import export_engine_counters
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.remote import client_of
from serve_app.settings import Settings
from serve_app.tracing.generations import generation_spans

_SPARE_CONNECTIONS = 4
"""For looks at the server while all places are taken."""
_PROBES = (
    "How do I reset my password? It's 2026, and 3.14 < 22/7.",
    "def total(rows):\n    return sum(row['sum'] for row in rows)  # O(n)\n\n\n",
    "Größe, naïve café, Привет, 你好, مرحبا, 🙂\u200d🙂\t  \r\n end",
)
"""Texts that tokenizers of different models seldom encode alike."""


@dataclass(frozen=True)
class _Connector:
    """Connects this replica with servers."""

    settings: Settings
    expected: Expected
    replica: str
    """This replica's name."""
    turns: EngineTurns
    """Tenants' turns, which go on when a server starts again."""
    warm_start: WarmStart
    links: dict[str, HttpLink] = field(default_factory=dict)
    """By URL. They stay open: a replica that changes its server still has answers of the former one."""

    async def connect(self, url: str) -> ServerRun:
        """Checks a server, follows its events, and prefills what is asked for most.

        Raises ConfigurationError, EngineUnavailable.
        """
        link = self._link(url)
        server = await checked(link, self.expected)
        name = ReplicaName(self.replica, secrets.token_hex(8))
        resident = ResidentEngine(
            server.engine, await server.engine.describe(), name, self.turns, time.monotonic
        )
        try:
            await follow_events(resident, link, server, self.settings.engine_servers().get(url))
            await warm_before_ready(resident, self.warm_start)
        except BaseException:
            resident.close()
            raise
        return ServerRun(url, server.started_at_s, server.engine, resident)

    def _link(self, url: str) -> HttpLink:
        if url not in self.links:
            key = self.settings.engine_api_key
            connections = scaling.engine_places(self.settings) + _SPARE_CONNECTIONS
            self.links[url] = HttpLink(url, key.get_secret_value() if key else None, connections)
        return self.links[url]


async def engine_servers(
    settings: Settings, models: Models, token_cache: Any, warm_start: WarmStart
) -> Sequence[Served]:
    """A replica that uses one of the settings' servers, and waits for it if it does not answer.

    `token_cache` is the handle of the TokenCache deployment. Raises ConfigurationError if the server can't be
    used.
    """
    bundle = await client_of(TokenCache, token_cache, "the token cache").bundle()
    turns = EngineTurns(scaling.engine_ongoing(settings), scaling.engine_places(settings))
    connector = _Connector(settings, _expected(settings, models, bundle), replica_name(), turns, warm_start)
    urls = list(settings.engine_servers())
    server = FollowedServer(lambda: urls[replica_rank() % len(urls)], connector.connect, replica_name())
    await server.start()
    server.run_in_background(export_engine_counters(server.counters, RayMeter()))
    answers = shared_answers(settings, models, server)
    interval_s, spans = settings.stream_interval_ms / 1000, generation_spans(models.title)
    return served(EngineService(answers, interval_s, spans))


def _expected(settings: Settings, models: Models, bundle: TokenizerBundle) -> Expected:
    encoder, scaffold = BundleEncoder(bundle), bundle.scaffold
    chat = scaffold.head + scaffold.to_user + scaffold.to_assistant + scaffold.to_generation
    return Expected(
        names=names_of_llm(settings) | {models.llm},
        title=models.title,
        probes=[(text, encoder.encode_trusted(text)) for text in (chat, *_PROBES)],
        max_model_len=settings.engine_max_model_len,
    )

"""The services that load a model, with the models of the replica's own node.

Nodes of a cluster share no files, so that each has an embedded model in its own folder.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from deployments.core.agent_spec import AgentSpec
from deployments.core.replica import Served
from deployments.engine.warming import WarmStart
from serve_app.assembly.engine import engine
from serve_app.assembly.engine_servers import engine_servers
from serve_app.assembly.records import knowledge_and_records
from serve_app.assembly.token_cache import token_cache
from serve_app.local_models import Models, local_models
from serve_app.settings import Settings

log = logging.getLogger(__name__)


async def token_cache_services(
    settings: Settings, agents: Sequence[AgentSpec], seal: bytes
) -> Sequence[Served]:
    """The TokenCache deployment's. Raises as `token_cache` does."""
    return await token_cache(settings, (await _models(settings)).llm, agents, seal)


async def knowledge_services(settings: Settings, token_cache: Any) -> Sequence[Served]:
    """The Knowledge deployment's. Raises as `knowledge_and_records` does."""
    return await knowledge_and_records(settings, (await _models(settings)).embedding, token_cache)


async def engine_services(settings: Settings, token_cache: Any, warm_start: WarmStart) -> Sequence[Served]:
    """The Engine deployment's. Raises as `engine` and `engine_servers` do."""
    models = await _models(settings)
    if settings.engine_urls:
        return await engine_servers(settings, models, token_cache, warm_start)
    return await engine(settings, models, warm_start)


async def _models(settings: Settings) -> Models:
    """The models, downloaded and converted if this node does not have them yet."""
    return await asyncio.to_thread(local_models, settings, log.info)

"""Builds the service of an Engine replica."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from functools import partial

from deployments.core.metrics import Meter
from deployments.core.replica import Served, serving
from deployments.core.services import EngineReplica
from deployments.engine.config import EngineConfig
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.healing_engine import HealingEngine
from deployments.engine.kv_events import KvEvents
from deployments.engine.local_engine import SurveyedEngine
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.service import EngineFigures, EngineLoad, EngineService
from deployments.engine.shared_answers import KeepFor, SharedAnswers
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warming import WarmStart
from serve_app import scaling
from serve_app.engine.replica_name import replica_name
from serve_app.local_models import Models
from serve_app.metrics.engine_counters import export_engine_counters
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.settings import Settings
from serve_app.tracing.generations import generation_spans


async def engine(settings: Settings, models: Models, warm_start: WarmStart | None) -> Sequence[Served]:
    """Starts vLLM on the language model. `warm_start` says what it prefills before the replica is ready.

    Raises ConfigurationError, EngineUnavailable.
    """
    replica, meter = replica_name(), RayMeter()
    start = partial(_start_resident, settings, models, replica, meter)
    shared = shared_answers(settings, models, HealingEngine(await start(), start, replica, warm_start, meter))
    interval_s, spans = settings.stream_interval_ms / 1000, generation_spans(models.title)
    return served(await EngineService.start(shared, interval_s, warm_start, spans))


def served(service: EngineService) -> Sequence[Served]:
    """What an Engine replica serves."""
    return [serving(EngineReplica)(service), serving(EngineFigures)(service), serving(EngineLoad)(service)]


def shared_answers(settings: Settings, models: Models, engine: SurveyedEngine) -> SharedAnswers:
    """The engine with the answers that it keeps for equal requests."""
    keep = KeepFor(settings.shared_answers_bytes, settings.shared_answers_ttl_s)
    return SharedAnswers(engine, models.title, keep, time.monotonic)


async def _start_resident(settings: Settings, models: Models, replica: str, meter: Meter) -> ResidentEngine:
    name = ReplicaName(replica, secrets.token_hex(8))
    vllm = await _start_vllm(settings, models)
    info = await vllm.describe()
    turns = EngineTurns(vllm.seats, scaling.engine_places(settings))
    resident = ResidentEngine(vllm, info, name, turns, time.monotonic, hash_seed=vllm.hash_seed)
    resident.run_in_background(KvEvents(vllm.events, resident.feed).follow())
    resident.run_in_background(export_engine_counters(resident.counters, meter))
    return resident


async def _start_vllm(settings: Settings, models: Models) -> VllmEngine:
    return await VllmEngine.start(
        EngineConfig(
            model=models.llm,
            served_name=models.title,
            dtype=settings.engine_dtype,
            eager=settings.engine_eager,
            block_size=settings.engine_block_size,
            max_model_len=settings.engine_max_model_len,
            kv_cache_gib=settings.engine_kv_cache_gib,
            gpus=settings.engine_gpus or 0,
            gpu_memory_utilization=settings.engine_gpu_memory_utilization,
            num_gpu_blocks=settings.engine_num_gpu_blocks,
            ray_metrics=True,
            eviction=settings.eviction,
            kv_offload_gib=settings.kv_offload_gib,
        )
    )

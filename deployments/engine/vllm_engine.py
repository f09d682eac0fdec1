"""vLLM's AsyncLLM as a `Generator`. The only file that knows vLLM."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from deployments.core.errors import (
    ConfigurationError,
    EngineUnavailable,
    InternalFault,
    InvalidRequest,
    Overloaded,
    PromptTooLong,
    WarmlineError,
)
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.config import (
    REUSABLE_TOKENS,
    EngineConfig,
    EventAddresses,
    Platform,
    engine_arguments,
    environment,
    environment_defaults,
    event_addresses,
    reusable_tokens,
)
from deployments.engine.counters import EngineCounters, SchedulerLog
from deployments.engine.deadline import check_deadline, next_before
from deployments.engine.prepared_process import prepare_engine_core

log = logging.getLogger(__name__)

END_WITHIN_S = 10
"""After this long, vLLM kills the engine's processes. They need about 5 s to end: vLLM's default."""


class VllmEngine:
    """One vLLM engine in processes of its own. They end when this process ends, even if it is killed."""

    def __init__(self, llm: Any, served_name: str, scheduler_log: SchedulerLog, socket_dir: Path) -> None:
        """Takes over a running AsyncLLM; `start` makes one."""
        self._llm = llm
        self._served_name = served_name
        self._scheduler_log = scheduler_log
        self._socket_dir = socket_dir

    @classmethod
    async def start(cls, config: EngineConfig) -> VllmEngine:
        """Starts the engine and loads the model: 15-30 s on a CPU, a minute or more if vLLM compiles it.

        Sets environment variables of this process, which the engine's processes inherit.
        Raises ConfigurationError, EngineUnavailable.
        """
        socket_dir = Path(tempfile.mkdtemp(prefix="warmline-engine-"))  # with mode 0700
        scheduler_log = SchedulerLog()
        try:
            # In a thread, because it blocks until the engine runs.
            llm = await asyncio.to_thread(_start_llm, config, socket_dir, scheduler_log)
            await llm.collective_rpc("give_back_memory")
        except BaseException as error:
            shutil.rmtree(socket_dir, ignore_errors=True)
            if isinstance(error, WarmlineError) or not isinstance(error, Exception):
                raise
            log.exception("the engine did not start")
            raise EngineUnavailable("the engine did not start; its log says why") from error
        return cls(llm, config.served_name, scheduler_log, socket_dir)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation.

        A delta's ids are the sampled ones, including the end-of-turn id, which has no text. Its text has
        whole characters only, and no stop string. Raises InvalidRequest, PromptTooLong, Overloaded,
        DeadlineExceeded, EngineUnavailable.
        """
        deadline = asyncio.get_running_loop().time() + request.deadline_s
        first = True
        async with aclosing(self._outputs(request)) as outputs:
            while output := await _next_output(deadline, outputs):
                yield _delta(output, first=first)
                first = False

    def _outputs(self, request: GenerateRequest) -> Any:
        """vLLM's outputs of a request. Closing them, or cancelling a wait for one, aborts it."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        sampling = request.sampling
        ids = from_bytes(request.prompt)
        self._check_room(len(ids), sampling.max_tokens)
        if not request.cache_salt:
            raise InvalidRequest("a request without cache_salt would share its KV blocks with every tenant")
        schema = sampling.json_schema
        with _translated():
            parameters = SamplingParams(
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                stop=list(sampling.stop),
                structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
                ignore_eos=sampling.ignore_eos,
                **asdict(sampling.shaping),  # has vLLM's names
                output_kind=RequestOutputKind.DELTA,
                extra_args={REUSABLE_TOKENS: reusable_tokens(request)},
            )
        prompt = tokens_input(ids.tolist(), cache_salt=request.cache_salt)
        # Callers choose ids, so two requests can have the same one; vLLM would abort both when one ends.
        name = f"{request.request_id}-{uuid4().hex}"
        return self._llm.generate(prompt, parameters, name, priority=request.priority)

    def _check_room(self, prompt_tokens: int, max_tokens: int) -> None:
        limit = self._llm.model_config.max_model_len
        if prompt_tokens + max_tokens > limit:
            raise PromptTooLong(
                f"{prompt_tokens} tokens of prompt and {max_tokens} for the answer exceed the model's {limit}"
            )

    @property
    def seats(self) -> int:
        """How many requests the engine runs at a time."""
        return int(self._llm.vllm_config.scheduler_config.max_num_seqs)

    async def describe(self) -> EngineInfo:
        """What runs here. Raises EngineUnavailable when the engine's processes have ended."""
        await self.check_health()
        cache = self._llm.vllm_config.cache_config
        replaced = self._llm.vllm_config.scheduler_config.scheduler_cls is not None
        return EngineInfo(
            model=self._served_name,
            max_model_len=self._llm.model_config.max_model_len,
            block_size=cache.block_size,
            kv_cache_tokens=cache.num_gpu_blocks * cache.block_size,
            eviction="documents" if replaced else "lru",
        )

    def counters(self) -> EngineCounters:
        """vLLM's own counters after its scheduler's last step; the other fields keep their defaults."""
        return self._scheduler_log.counters

    @property
    def events(self) -> EventAddresses:
        """Where the engine publishes which KV blocks it stores and removes."""
        return event_addresses(self._socket_dir)

    @property
    def hash_seed(self) -> str | None:
        """The string that starts the chain of block hashes; None for vLLM's default."""
        return os.environ.get("PYTHONHASHSEED")

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine's processes have ended. Nothing starts them again."""
        with _translated():
            await self._llm.check_health()

    def close(self) -> None:
        """Ends the engine's processes; blocks for about 5 s. A second call does nothing."""
        self._llm.shutdown(timeout=END_WITHIN_S)
        shutil.rmtree(self._socket_dir, ignore_errors=True)

    async def shutdown(self) -> None:
        """Does what `close` does, without blocking the event loop."""
        await asyncio.to_thread(self.close)


def _start_llm(config: EngineConfig, socket_dir: Path, scheduler_log: SchedulerLog) -> Any:
    local = Path(config.model).is_dir()
    os.environ.update(environment(socket_dir, os.getpid(), local_model=local))
    for name, value in environment_defaults(len(os.sched_getaffinity(0))).items():
        os.environ.setdefault(name, value)
    # Imported only now, because vLLM reads the environment.
    from vllm.config import KVEventsConfig
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    platform: Platform = "cpu" if current_platform.is_cpu() else "gpu"
    if platform == "cpu":
        prepare_engine_core()
    arguments = engine_arguments(config, platform, cpu_flags())
    published, repeated = event_addresses(socket_dir)
    events = KVEventsConfig(
        enable_kv_cache_events=True, publisher="zmq", endpoint=published, replay_endpoint=repeated
    )
    args = AsyncEngineArgs(**arguments, kv_events_config=events)
    try:
        vllm_config = args.create_engine_config(UsageContext.ENGINE_CONTEXT)
    except ValueError as error:
        raise ConfigurationError(_refusal(error)) from error
    if config.eviction == "documents":
        use_document_scheduler(vllm_config.scheduler_config)
    # With a logger of its own vLLM also measures each request's times, which deltas report.
    stat_loggers: list[Any] = [lambda _config, _index: scheduler_log]
    if config.ray_metrics:
        from vllm.v1.metrics.ray_wrappers import RayPrometheusStatLogger

        stat_loggers.append(RayPrometheusStatLogger)
    return AsyncLLM.from_vllm_config(
        vllm_config,
        disable_log_stats=args.disable_log_stats,
        stat_loggers=stat_loggers,
    )


def _refusal(error: ValueError) -> str:
    """The first sentence of what vLLM says about a configuration that it does not take.

    The rest is advice for users of vLLM, such as to override the check.
    """
    said = str(error).rpartition("Value error, ")[2]  # after the lead of pydantic's errors
    sentence = said.partition("\n")[0].partition(". ")[0]
    return f"vLLM refuses WARMLINE_MODEL or a setting WARMLINE_ENGINE_*: {sentence}"


def use_document_scheduler(scheduler_config: Any) -> None:
    """Replaces vLLM's scheduler by one that evicts documents last.

    Leaves vLLM's own, with a warning, if the replacement was not written for this version of vLLM.
    """
    try:
        from deployments.engine.document_scheduler import changed_parts, scheduler_name
    except ImportError as error:
        changed = [str(error)]
    else:
        changed = changed_parts()
    if changed:
        log.warning(
            "WARMLINE_EVICTION=documents is not written for this version of vLLM (%s): the engine evicts the "
            "least recently used blocks; WARMLINE_EVICTION=lru ends this warning",
            ", ".join(changed),
        )
        return
    scheduler_config.scheduler_cls = scheduler_name(asynchronous=bool(scheduler_config.async_scheduling))


def cpu_flags() -> frozenset[str]:
    """The flags of this machine's CPU, as in /proc/cpuinfo; none if it lists no flags."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


async def _next_output(deadline: float, outputs: Any) -> Any:
    """vLLM's next output of a request, or None after the last."""
    check_deadline(deadline)
    with _translated():
        return await next_before(deadline, outputs)


def _delta(output: Any, *, first: bool) -> Delta:
    part = output.outputs[0]
    if part.finish_reason not in {None, "stop", "length"}:
        raise EngineUnavailable(f"the engine did not complete the request ({part.finish_reason})")
    times = output.metrics  # EngineCore's monotonic clock, in seconds
    return Delta(
        text=part.text,
        ids=to_bytes(token_ids(part.token_ids)),
        finish_reason=part.finish_reason,
        kv_cached_tokens=output.num_cached_tokens if first else None,
        queue_ms=(times.scheduled_ts - times.queued_ts) * 1000 if first else None,
        prefill_ms=(times.first_token_ts - times.scheduled_ts) * 1000 if first else None,
        decode_ms=(times.last_token_ts - times.first_token_ts) * 1000 if output.finished else None,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Translates vLLM's errors into the application's."""
    from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMError
    from vllm.v1.engine.exceptions import EngineDeadError

    try:
        yield
    except EngineDeadError as error:
        raise EngineUnavailable("the engine's processes have ended") from error
    except VLLMClientError as error:
        log.warning("vLLM refused a request: %s", error)
        raise InvalidRequest(
            "the engine refused the prompt or its settings; shorten the prompt or change the settings"
        ) from error
    except GracefulHTTPError as error:
        raise Overloaded("the engine's queue is full") from error
    except VLLMError as error:
        log.exception("the engine failed to process a request")
        raise InternalFault("the engine failed to process this request") from error

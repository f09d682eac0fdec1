"""The settings of the engine's replicas: how many, on what hardware, and what they keep in their KV cache."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from deployments.core.reuse.eviction import EvictionPolicy


class EngineSettings(BaseModel):
    """The settings of the engine's replicas. `Settings` has these fields too, and says how they are set."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    engine_urls: str = ""
    """Running vLLM servers (http://host:8000), separated by commas, that answer in place of engines started
    here; empty: none. The other engine settings then mean nothing, unless they say so."""
    engine_api_key: SecretStr | None = None
    """API key of the servers in `engine_urls`; unset: they need none."""
    engine_events: str = ""
    """Where the servers of `engine_urls`, in their order, publish KV events (tcp://host:5557), separated by
    commas; empty: at the servers' hosts and the ports that they name."""
    engine_replicas: int = Field(1, ge=1)
    """Minimum engine replicas."""
    engine_max_replicas: int | None = Field(None, ge=1)
    """Maximum engine replicas; unset: as many as `engine_replicas`."""
    engine_gpus: int | None = Field(None, ge=0, le=64)
    """GPUs of each engine replica, which share its model; unset: 1 if Ray has any, else 0."""
    engine_max_ongoing: int | None = Field(None, ge=1, le=4096)
    """Maximum generations of a tenant in an engine replica, 5/4 of it for all; unset: 256, on a CPU 64. Of a
    server in `engine_urls`: its --max-num-seqs, so that tenants take turns here; unset: 256."""
    engine_eager: bool | None = None
    """On: the engine runs the model without compiling it; unset: on for CPUs, off for GPUs."""
    engine_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Data type of the model; auto: the model's own on a GPU, bfloat16 or float32 on a CPU."""
    engine_block_size: int | None = Field(None, ge=8)
    """Tokens of a KV block, a multiple of 32 on a CPU; unset: 32 on a CPU, vLLM's default on a GPU."""
    engine_max_model_len: int | None = Field(None, ge=256)
    """Maximum tokens of a prompt and its answer together; unset: the limit of the model or the server."""
    engine_kv_cache_gib: float = Field(1.0, gt=0)
    """GiB of KV cache of an engine replica on a CPU."""
    engine_gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share (0 to 1) of a GPU's memory that an engine replica uses."""
    engine_num_gpu_blocks: int | None = Field(None, ge=2)
    """Size of the KV cache in blocks, on a CPU too; unset: what the memory given to it holds."""
    kv_offload_gib: float = Field(0.0, ge=0, le=4096)
    """GiB of host memory of each engine replica for what its GPUs' KV cache evicts; 0: none. Not on a CPU."""
    eviction: EvictionPolicy = "documents"
    """What leaves an engine's full KV cache first: documents (what is no document) or lru (the oldest)."""

    @field_validator("engine_urls")
    @classmethod
    def _server_urls(cls, raw: str) -> str:
        urls = _listed(raw)
        for url in urls:
            _check_address(url, {"http", "https"}, "http://host:8000")
            if urlsplit(url).path.rstrip("/").endswith("/v1"):
                raise ValueError("must be without /v1, as in http://host:8000")
        if len(set(urls)) < len(urls):
            raise ValueError("must name each server once")
        return raw

    @field_validator("engine_events")
    @classmethod
    def _one_for_each_server(cls, raw: str, earlier: ValidationInfo) -> str:
        addresses, urls = _listed(raw), _listed(earlier.data.get("engine_urls", ""))
        for address in addresses:
            _check_address(address, {"tcp"}, "tcp://host:5557")
            if urlsplit(address).port is None:
                raise ValueError("must name the port, as in tcp://host:5557")
        if addresses and len(addresses) != len(urls):
            raise ValueError(f"must have an address for each server of WARMLINE_ENGINE_URLS: {len(urls)}")
        return raw

    def engine_servers(self) -> dict[str, str | None]:
        """The URL of each server that answers in place of engines started here, and where it publishes KV
        events; None for the host of the URL.
        """
        urls, addresses = _listed(self.engine_urls), _listed(self.engine_events)
        return {url: addresses[number] if addresses else None for number, url in enumerate(urls)}


def _listed(raw: str) -> list[str]:
    return [part.strip().rstrip("/") for part in raw.split(",") if part.strip()]


def _check_address(address: str, schemes: Collection[str], example: str) -> None:
    """Raises ValueError. The message does not repeat the address, which can have a password."""
    parts = urlsplit(address)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"must be addresses such as {example}, separated by commas")
    if parts.username or parts.password:
        raise ValueError("must have no password: set WARMLINE_ENGINE_API_KEY")
    _ = parts.port  # raises ValueError for a port that is no number, or too large

"""The settings: read once from the environment, checked, frozen."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from deployments.agents import specs
from deployments.core.errors import ConfigurationError, InvalidRequest
from deployments.core.ids import tenant_id

PREFIX = "WARMLINE_"
ORDERS = ("rank", "popularity", "trie", "best_first", "best_last")
DEFAULT_ORDER = "best_first"
UNPREFIXED = ("REDIS_URL", "REDIS_CONNECTION_POOL_SIZE", "DATABASE_URL")
"""Names that many deployments already use; all others carry the prefix."""


def _default_state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "warmline"


class Settings(BaseModel):
    """What the application is configured by. Each field is the variable of its name, in upper case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    redis_url: SecretStr | None = Field(None, description="any server from 6.2 on; else an embedded one")
    redis_connection_pool_size: int = Field(10, ge=1, le=1000)
    database_url: SecretStr | None = Field(
        None, description="postgresql://...; else SQLite in the state directory"
    )
    model: str | None = Field(
        None, description="an embedded model, Hugging Face name or folder; else what fits"
    )
    embedding_model: str | None = Field(None, description="sentence-transformers name or folder; else MiniLM")
    state_dir: Path = Field(default_factory=_default_state_dir)
    model_dir: Path | None = Field(None, description="converted models; else STATE_DIR/models")
    secret: SecretStr | None = Field(
        None, description="key of cache salts; else a file in the state directory"
    )
    api_keys: SecretStr | None = Field(None, description="key=business_id, separated by commas")
    http_host: str = Field("127.0.0.1", description="beyond loopback only with API keys")
    http_port: int = Field(8000, ge=1, le=65535)
    fast_path: bool = Field(True, description="HAProxy in front and gRPC between replicas; else Serve's own")
    redis_timeout_ms: int = Field(100, ge=1, le=10_000)
    l1_bytes: int = Field(64 * 2**20, ge=0)
    order: str = Field(
        DEFAULT_ORDER, description="of documents in a prompt; `trie,support=rank` for one agent"
    )
    share_answers: str = Field(
        "", description="agents, by comma, whose equal greedy requests may get one answer"
    )
    shared_answers_bytes: int = Field(16 * 2**20, ge=0, description="of complete answers kept, a replica")
    shared_answers_ttl_s: float = Field(600.0, gt=0)
    warm_up_s: float = Field(20.0, ge=0, description="for a new engine to prefill what is asked for most")
    warm_up_tokens: int | None = Field(None, ge=0, description="it prefills; else half of its cache")
    rank_hint: bool = Field(False, description="tell the model what is most relevant if the order does not")
    warm_after_update: bool = Field(True, description="prefill what a change of documents has made cold")
    token_cache: bool = Field(True, description="off: every segment is tokenized for every prompt")
    retrieval_cache: bool = Field(True, description="off: the knowledge base is searched for every question")
    write_through: bool = Field(True, description="tokenize documents when they are stored")
    samples: bool = Field(True, description="load the sample knowledge at the first start")
    similarity_threshold: float = Field(0.25, ge=-1, le=1)
    chunk_tokens: int = Field(256, ge=32, le=4096)
    max_body_bytes: int = Field(10 * 2**20, ge=1024)
    request_timeout_s: float = Field(120.0, gt=0)
    stream_interval_ms: float = Field(25.0, ge=0, description="between pieces of a stream behind the first")
    ingress_max_replicas: int = Field(2, ge=1)
    agent_min_replicas: int = Field(1, ge=1, description="of each agent")
    agent_max_replicas: int = Field(4, ge=1, description="of each agent")
    knowledge_max_replicas: int = Field(4, ge=1, description="on PostgreSQL; SQLite has one")
    upscale_delay_s: float = Field(5.0, ge=0, description="of load before replicas are added")
    downscale_delay_s: float = Field(120.0, ge=0, description="of idleness before one is removed")
    engine_replicas: int = Field(1, ge=1)
    engine_max_replicas: int | None = Field(None, ge=1, description="else as many as engine_replicas")
    engine_gpus: int | None = Field(None, ge=0, le=64, description="a replica; else 1 where Ray has any")
    engine_eager: bool | None = Field(None, description="no compilation; else eager on a CPU only")
    engine_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    engine_block_size: int | None = Field(None, ge=8, description="tokens; else what fits the platform")
    engine_max_model_len: int | None = Field(None, ge=256)
    engine_kv_cache_gib: float = Field(1.0, gt=0, description="KV cache on a CPU")
    engine_gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    engine_num_gpu_blocks: int | None = Field(None, ge=2, description="a smaller KV cache, in blocks")
    log_questions: bool = Field(False, description="question texts in the log")

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        allowed = ("redis://", "rediss://", "unix://")
        if url is not None and not url.get_secret_value().startswith(allowed):
            raise ValueError(f"must start with one of {', '.join(allowed)}")
        return url

    @field_validator("database_url")
    @classmethod
    def _database_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        allowed = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///")
        if url is not None and not url.get_secret_value().startswith(allowed):
            raise ValueError(f"must start with one of {', '.join(allowed)}")
        return url

    @field_validator("api_keys")
    @classmethod
    def _key_list(cls, raw: SecretStr | None) -> SecretStr | None:
        _tenants_by_key(raw)
        return raw

    @field_validator("order")
    @classmethod
    def _known_orders(cls, raw: str) -> str:
        _orders(raw)
        return raw

    @field_validator("share_answers")
    @classmethod
    def _known_agents(cls, raw: str) -> str:
        for agent in raw.split(","):
            _check_agent(agent)
        return raw

    @field_validator("http_host")
    @classmethod
    def _keys_beyond_loopback(cls, host: str, earlier: ValidationInfo) -> str:
        if not (_is_loopback(host) or _tenants_by_key(earlier.data.get("api_keys"))):
            raise ValueError("must be a loopback address (127.0.0.1) unless WARMLINE_API_KEYS is set")
        return host

    @field_validator("state_dir", "model_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @property
    def on_postgresql(self) -> bool:
        """Whether the database may have several writers."""
        return self.database_url is not None and not self.database_url.get_secret_value().startswith("sqlite")

    @property
    def models(self) -> Path:
        """Folder of converted models."""
        return self.model_dir or self.state_dir / "models"

    def shares_answers(self, agent: str) -> bool:
        """Whether an agent's equal greedy requests may get one answer, where a request does not say."""
        return agent in self.share_answers.split(",")

    def order_of(self, agent: str) -> str:
        """The policy by which an agent orders documents."""
        orders = _orders(self.order)
        return orders.get(agent, orders[""])

    def tenants_by_key(self) -> dict[str, str]:
        """API keys and their tenants; empty when none are configured."""
        return _tenants_by_key(self.api_keys)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """Reads the environment; `overrides` (fields by name) win. Raises ConfigurationError."""
        values = {name.removeprefix(PREFIX).lower(): raw for name, raw in _relevant(environ).items()}
        try:
            return cls.model_validate({**values, **overrides})
        except ValidationError as error:
            raise ConfigurationError(_complaint(error)) from None


def _orders(raw: str) -> dict[str, str]:
    """By agent, and for all others by "". Raises ValueError."""
    found = {"": DEFAULT_ORDER}
    for part in raw.split(","):
        agent, _, order = part.strip().rpartition("=")
        if order not in ORDERS:
            raise ValueError(f"must be one of {', '.join(ORDERS)}, for all or as agent=order, by comma")
        _check_agent(agent)
        found[agent] = order
    return found


def _check_agent(name: str) -> None:
    """Raises ValueError for a name that no agent has, except for the empty one."""
    agents = [spec.name for spec in specs.AGENTS]
    if name and name not in agents:
        raise ValueError(f"there is no agent {name!r}; there are: {', '.join(agents)}")


def _tenants_by_key(raw: SecretStr | None) -> dict[str, str]:
    """Raises ValueError, which never shows a key."""
    entries = [entry.strip() for entry in raw.get_secret_value().split(",")] if raw else []
    pairs = [_key_and_tenant(entry) for entry in entries if entry]
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key may stand there only once")
    return dict(pairs)


def _key_and_tenant(entry: str) -> tuple[str, str]:
    key, _, tenant = (part.strip() for part in entry.rpartition("="))
    if len(key) < 16:
        raise ValueError("must be key=business_id pairs, each key of 16 characters or more")
    try:
        return key, tenant_id(tenant)
    except InvalidRequest as error:
        raise ValueError(error.message) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.upper() in UNPREFIXED else PREFIX + field.upper()


def _relevant(environ: Mapping[str, str]) -> dict[str, str]:
    known = {variable(field) for field in Settings.model_fields}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(f"unknown setting {name}{hint}", name)
    # An empty variable is how shells and compose files say "not set".
    return {name: environ[name] for name in known if environ.get(name)}


def _complaint(error: ValidationError) -> str:
    found = [(variable(str(part["loc"][0])), part["msg"]) for part in error.errors(include_input=False)]
    said = (f"{name}: {message.removeprefix('Value error, ')}" for name, message in found)
    return "wrong settings: " + "; ".join(said)

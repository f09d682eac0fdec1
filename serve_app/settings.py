"""The settings: read once from the environment, checked, frozen."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator

from deployments.agents import specs
from deployments.core.errors import ConfigurationError
from deployments.core.reuse.ordering import ORDERS
from serve_app.api_keys import tenants_by_key
from serve_app.engine_settings import EngineSettings
from serve_app.host_names import is_loopback
from serve_app.origins import ANY, origins

PREFIX = "WARMLINE_"
DEFAULT_ORDER = "best_first"
UNPREFIXED = ("REDIS_URL", "REDIS_CONNECTION_POOL_SIZE", "DATABASE_URL")
"""Variables without the prefix, because other programs use the same names."""
OF_CLIENTS = ("WARMLINE_URL", "WARMLINE_KEY")
"""Variables of the command line as a client, which the application ignores."""

_SCHEMES = {
    "redis_url": ("redis://", "rediss://", "unix://"),
    "database_url": ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///"),
}


def _default_state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "warmline"


class Settings(EngineSettings):
    """The settings of the application.

    Each field is set by the environment variable of its name, in upper case and, except for
    `UNPREFIXED`, with the prefix `WARMLINE_`. The string below a field is its description.
    """

    redis_url: SecretStr | None = None
    """Redis server, 6.2 or later (redis://, rediss:// or unix://); unset: an embedded one."""
    redis_connection_pool_size: int = Field(10, ge=1, le=1000)
    """Maximum number of connections that a replica opens to Redis."""
    database_url: SecretStr | None = None
    """Database (postgresql://... or sqlite:///...); unset: an SQLite file in the state directory."""
    model: str | None = None
    """Language model: an embedded one's name, a Hugging Face name or a folder; unset: one that fits."""
    allow_text_roles: bool = False
    """On: also serve a model whose chat template marks turns by ordinary text, which anyone can forge."""
    embedding_model: str | None = None
    """Embedding model: a sentence-transformers name or a folder; unset: the embedded MiniLM."""
    state_dir: Path = Field(default_factory=_default_state_dir)
    """Folder for models, database, secret and logs; unset: $XDG_STATE_HOME/warmline or
    ~/.local/state/warmline."""
    model_dir: Path | None = None
    """Folder for converted models; unset: `models` in the state directory."""
    secret: SecretStr | None = None
    """Key of cache salts and of checksums in Redis, the same on all nodes; unset: a key that the first
    start writes to the state directory."""
    api_keys: SecretStr | None = None
    """`key=business_id` pairs, separated by commas; with `key=*` the header X-Business-Id names the
    tenant. Unset: requests need no key, and the header names the tenant."""
    http_host: str = "127.0.0.1"
    """Address to listen on. Any other than loopback needs API keys."""
    http_port: int = Field(8000, ge=1, le=65535)
    """Port to listen on."""
    cors_origins: str = ""
    """Origins, separated by commas, whose web pages may call the API from a browser; `*`: all, which
    needs API keys; empty: none."""
    fast_path: bool = True
    """On: HAProxy in front and gRPC between replicas; off: Serve's own proxy and transport."""
    redis_timeout_ms: int = Field(100, ge=1, le=10_000)
    """Milliseconds to wait for a Redis connection or a reply; a call takes at most three times that."""
    l1_bytes: int = Field(64 * 2**20, ge=0)
    """Maximum bytes of token ids that each agent replica caches in its own memory (L1)."""
    order: str = DEFAULT_ORDER
    """Order of documents in a prompt: rank, popularity, trie, best_first or best_last.
    `trie,support=rank` sets another one for one agent."""
    share_answers: str = ""
    """Agents, separated by commas, whose equal greedy requests may share one answer; empty: none. The
    field `share_answer` of a request overrides it."""
    shared_answers_bytes: int = Field(16 * 2**20, ge=0)
    """Maximum bytes of complete answers that each engine replica keeps for sharing; 0: none."""
    shared_answers_ttl_s: float = Field(600.0, gt=0)
    """TTL of a kept answer in seconds."""
    warm_up_s: float = Field(20.0, ge=0)
    """Maximum seconds that a new engine replica prefills frequent prompts before it is ready."""
    warm_up_tokens: int | None = Field(None, ge=0)
    """Maximum tokens that one warming prefills; unset: half of the engine's KV cache."""
    rank_hint: bool = False
    """On: where documents are not in rank order, the prompt names the most relevant ones after them."""
    warm_after_update: bool = True
    """On: the prompts that a change of documents invalidated are prefilled again."""
    token_cache: bool = True
    """Off: every segment is tokenized for every prompt."""
    retrieval_cache: bool = True
    """Off: the knowledge base is searched for every question."""
    write_through: bool = True
    """On: documents are tokenized when they are stored; off: at their first use."""
    samples: bool = True
    """On: the first start loads the sample knowledge."""
    similarity_threshold: float = Field(0.25, ge=-1, le=1)
    """Minimum cosine similarity of a passage to the question, unless it spells what the question asks for."""
    chunk_tokens: int = Field(256, ge=32, le=4096)
    """Maximum tokens of a chunk, header included."""
    max_body_bytes: int = Field(10 * 2**20, ge=1024)
    """Maximum bytes of a document or picture; a larger one gets 413. Other requests have at most 1 MiB."""
    request_timeout_s: float = Field(120.0, gt=0)
    """Deadline of a request in seconds. A replica that stops has as long to finish its requests."""
    stream_interval_ms: float = Field(25.0, ge=0)
    """Minimum milliseconds between chunks of a stream after the first; 0: no chunk waits."""
    ingress_max_replicas: int = Field(2, ge=1)
    """Maximum replicas of the ingress."""
    agent_min_replicas: int = Field(1, ge=1)
    """Minimum replicas of each agent."""
    agent_max_replicas: int = Field(4, ge=1)
    """Maximum replicas of each agent."""
    knowledge_max_replicas: int = Field(4, ge=1)
    """Maximum replicas of the knowledge base on PostgreSQL; on SQLite it has one."""
    upscale_delay_s: float = Field(5.0, ge=0)
    """Seconds of high load before replicas are added."""
    downscale_delay_s: float = Field(120.0, ge=0)
    """Seconds of low load before a replica is removed."""
    retention_days: int | None = Field(None, ge=1)
    """Days after which tickets that nobody changed and ideas are deleted; unset: they stay."""
    log_questions: bool = False
    """On: the texts of questions are kept in `questions` in the state directory, a file for each tenant."""
    log_format: Literal["text", "json"] = "text"
    """Format of the log files of all deployments; json: one object in each line, with its trace's id."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe lines that are logged."""

    @field_validator(*_SCHEMES)
    @classmethod
    def _known_scheme(cls, url: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        allowed = _SCHEMES[field.field_name or ""]
        if url is not None and not url.get_secret_value().startswith(allowed):
            raise ValueError(f"must start with one of {', '.join(allowed)}")
        return url

    @field_validator("api_keys")
    @classmethod
    def _key_list(cls, raw: SecretStr | None) -> SecretStr | None:
        _tenants(raw)
        return raw

    @field_validator("order")
    @classmethod
    def _known_orders(cls, raw: str) -> str:
        _orders(raw)
        return raw

    @field_validator("share_answers")
    @classmethod
    def _known_agents(cls, raw: str) -> str:
        for agent in raw.split(",") if raw else ():
            _check_agent(agent)
        return raw

    @field_validator("http_host")
    @classmethod
    def _keys_beyond_loopback(cls, host: str, earlier: ValidationInfo) -> str:
        if not (is_loopback(host) or _tenants(earlier.data.get("api_keys"))):
            raise ValueError("must be a loopback address (127.0.0.1) unless WARMLINE_API_KEYS is set")
        return host

    @field_validator("cors_origins")
    @classmethod
    def _keys_for_any_origin(cls, raw: str, earlier: ValidationInfo) -> str:
        if ANY in origins(raw) and not _tenants(earlier.data.get("api_keys")):
            raise ValueError("must name the origins unless WARMLINE_API_KEYS is set")
        return raw

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
        """Whether an agent's equal greedy requests may share one answer, if the request does not say."""
        return agent in self.share_answers.split(",")

    def order_of(self, agent: str) -> str:
        """The name of the policy by which an agent orders documents."""
        orders = _orders(self.order)
        return orders.get(agent, orders[""])

    def tenants_by_key(self) -> dict[str, str]:
        """Each API key's tenant; empty if no keys are configured."""
        return _tenants(self.api_keys)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """The environment's settings; `overrides` (by field name) win. Raises ConfigurationError."""
        values = {name.removeprefix(PREFIX).lower(): raw for name, raw in _relevant(environ).items()}
        try:
            return cls.model_validate({**values, **overrides})
        except ValidationError as error:
            raise ConfigurationError(_message(error)) from None


def _orders(raw: str) -> dict[str, str]:
    """Agent -> order; "" is the key of the order for all other agents. Raises ValueError."""
    orders = {"": DEFAULT_ORDER}
    for part in raw.split(","):
        agent, _, order = part.strip().rpartition("=")
        if order not in ORDERS:
            raise ValueError(
                f"must be one of {', '.join(ORDERS)}; agent=order, after a comma, sets one agent"
            )
        if agent:
            _check_agent(agent)
        orders[agent] = order
    return orders


def _check_agent(name: str) -> None:
    agents = [spec.name for spec in specs.AGENTS]
    if name not in agents:
        raise ValueError(f"there is no agent {name!r}; there are: {', '.join(agents)}")


def _tenants(api_keys: SecretStr | None) -> dict[str, str]:
    return tenants_by_key(api_keys.get_secret_value()) if api_keys else {}


def variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.upper() in UNPREFIXED else PREFIX + field.upper()


def _relevant(environ: Mapping[str, str]) -> dict[str, str]:
    known = {variable(field) for field in Settings.model_fields}
    for name in environ:
        if name.startswith(PREFIX) and name not in {*known, *OF_CLIENTS}:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(f"unknown setting {name}{hint}", name)
    # Shells and compose files set a variable to "" to say that it is not set.
    return {name: environ[name] for name in known if environ.get(name)}


def _message(error: ValidationError) -> str:
    found = [(variable(str(part["loc"][0])), part["msg"]) for part in error.errors(include_input=False)]
    reasons = (f"{name}: {message.removeprefix('Value error, ')}" for name, message in found)
    return "wrong settings: " + "; ".join(reasons)

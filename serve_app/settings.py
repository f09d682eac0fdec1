"""The settings: read once from the environment, checked, frozen."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from deployments.core.errors import ConfigurationError
from deployments.core.ids import tenant_id

PREFIX = "WARMLINE_"
UNPREFIXED = ("REDIS_URL", "REDIS_CONNECTION_POOL_SIZE", "DATABASE_URL")
"""Names that many deployments already use; all others carry the prefix."""


def _default_state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "warmline"


class Settings(BaseModel):
    """What the application is configured by. Each field is the variable of its name, in upper case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    redis_url: SecretStr | None = Field(None, description="any server from 6.2 on; else an embedded one")
    redis_connection_pool_size: int = Field(10, ge=1, le=1000)
    database_url: SecretStr | None = Field(
        None, description="postgresql://...; else SQLite in the state directory"
    )
    model: str | None = Field(None, description="Hugging Face name or folder; else the embedded SmolLM2")
    embedding_model: str | None = Field(None, description="sentence-transformers name or folder; else MiniLM")
    state_dir: Path = Field(default_factory=_default_state_dir)
    model_dir: Path | None = Field(None, description="converted models; else STATE_DIR/models")
    secret: SecretStr | None = Field(
        None, description="key of cache salts; else a file in the state directory"
    )
    api_keys: SecretStr | None = Field(None, description="key=business_id, separated by commas")
    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=1, le=65535)
    redis_timeout_ms: int = Field(100, ge=1, le=10_000)
    l1_bytes: int = Field(64 * 2**20, ge=0)
    order: Literal["rank", "popularity"] = "popularity"
    token_cache: bool = Field(True, description="off: every segment is tokenized for every prompt")
    write_through: bool = Field(True, description="tokenize documents when they are stored")
    samples: bool = Field(True, description="load the sample knowledge at the first start")
    similarity_threshold: float = Field(0.3, ge=-1, le=1)
    chunk_tokens: int = Field(256, ge=32, le=4096)
    max_body_bytes: int = Field(10 * 2**20, ge=1024)
    max_query_chars: int = Field(8_000, ge=1)
    request_timeout_s: float = Field(120.0, gt=0)
    engine_replicas: int = Field(1, ge=1)
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

    @field_validator("state_dir", "model_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @property
    def models(self) -> Path:
        """Folder of converted models."""
        return self.model_dir or self.state_dir / "models"

    def tenants_by_key(self) -> dict[str, str]:
        """API keys and their tenants; empty when none are configured."""
        raw = self.api_keys.get_secret_value() if self.api_keys else ""
        return dict(_key_and_tenant(entry) for entry in raw.split(",") if entry.strip())

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """Reads the environment; `overrides` (fields by name) win. Raises ConfigurationError."""
        values = {name.removeprefix(PREFIX).lower(): raw for name, raw in _relevant(environ).items()}
        try:
            return cls.model_validate({**values, **overrides})
        except ValidationError as error:
            raise ConfigurationError(_complaint(error)) from None


def _key_and_tenant(entry: str) -> tuple[str, str]:
    key, _, tenant = entry.strip().partition("=")
    if len(key) < 16 or not tenant:
        raise ConfigurationError(
            "WARMLINE_API_KEYS must be key=business_id pairs, each key of 16 characters or more"
        )
    return key, tenant_id(tenant)


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
    lines = [f"{variable(str(part['loc'][0]))}: {part['msg']}" for part in error.errors(include_input=False)]
    return "wrong settings: " + "; ".join(lines)

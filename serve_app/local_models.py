"""Chooses the models to load: those that the settings name, or embedded ones that fit this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB, memory_bytes
from serve_app.setup.catalog import EMBEDDED, EmbeddedModel, default_model
from serve_app.setup.models import embedded_embedding_model, ensure_embedded_llm, folder_of, runs_on_cpu


@dataclass(frozen=True, slots=True)
class Models:
    """The models that replicas load."""

    llm: str
    """The language model: a folder, or a name on Hugging Face."""
    embedding: str
    """The embedding model: a folder, or a name on Hugging Face."""
    title: str
    """The language model's name in the engine."""


def embedded_llm(settings: Settings) -> EmbeddedModel | None:
    """The embedded language model that the settings name; without a name, one that fits this machine.

    None if the settings name a model that is not embedded.
    """
    if settings.model is None:
        return default_model(memory_bytes(), usable_cores())
    return EMBEDDED.get(settings.model)


def is_set_up(model: EmbeddedModel, settings: Settings) -> bool:
    """Whether an embedded language model was downloaded and converted."""
    return folder_of(model, model.form_for(cpu=runs_on_cpu()), settings.models).is_dir()


def usable_cores() -> int:
    """Cores that this process may use: the lower of its affinity and container quota, at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota_us, period_us = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota_us) // int(period_us)))
    except (OSError, ValueError):  # no such hierarchy, or the word "max"
        return cores


def local_models(settings: Settings, report: Callable[[str], None]) -> Models:
    """The models of `settings`. Downloads and converts an embedded one, unless that is done already.

    `report` gets a line for each step. Raises ConfigurationError.
    """
    embedding = settings.embedding_model or str(embedded_embedding_model())
    chosen = embedded_llm(settings)
    if chosen is None:
        name = settings.model or ""
        return Models(name, embedding, name)
    form = chosen.form_for(cpu=runs_on_cpu())
    if settings.model is None:
        report(f"{_why(chosen)}, in {form}. {_others(chosen)}")
    folder = ensure_embedded_llm(chosen, form, settings.models, report)
    return Models(str(folder), embedding, chosen.title)


def _why(chosen: EmbeddedModel) -> str:
    memory, cores = memory_bytes() / GIB, usable_cores()
    return f"Model: {chosen.title}, which fits {memory:.0f} GiB of memory and {cores} cores"


def _others(chosen: EmbeddedModel) -> str:
    names = ", ".join(name for name in EMBEDDED if name != chosen.name)
    return f"WARMLINE_MODEL changes it: {names}, a name on Hugging Face, or a folder"

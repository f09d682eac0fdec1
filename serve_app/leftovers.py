"""Looks for a text in everything that this machine's settings name: database, Redis, files of the state."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from deployments.core.errors import WarmlineError
from deployments.core.ids import SegmentKey
from deployments.core.ports import TextEncoder
from deployments.database.text_search import find_texts
from deployments.redis.all_values import every_value
from deployments.retrieval.retrieval_store import CorruptRetrieval, decode_retrieval
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.codec import CorruptEntry, decode
from deployments.token_cache.encoder import BundleEncoder
from serve_app.assembly.knowledge import database_url
from serve_app.assembly.redis import redis_link
from serve_app.local_models import local_models
from serve_app.local_ray import sessions_folder
from serve_app.settings import Settings

_CHUNK_BYTES = 2**20

Detokenize = Callable[[str, bytes], str]
"""The text of a segment's entry, given its key and bytes. Raises CorruptEntry."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A place that has the text."""

    store: str
    """ "database", "redis" or "files"."""
    place: str
    """Table and column, key, or path."""
    count: int
    """How many rows, values or positions have it there."""


@dataclass(frozen=True, slots=True)
class Search:
    """The result of a search."""

    leftovers: Sequence[Leftover]
    unread: Sequence[str]
    """Stores that could not be read, and why: the text can be there."""


async def search(settings: Settings, text: str) -> Search:
    """Looks for a text, in any store and in any form in which this application stores texts."""
    needles = list(dict.fromkeys([text, json.dumps(text)[1:-1]]))
    leftovers: list[Leftover] = []
    unread: list[str] = []
    for name, look in (("database", _in_database), ("redis", _in_redis), ("files", _in_files)):
        try:
            leftovers += await look(settings, needles)
        except (WarmlineError, OSError) as error:
            unread.append(f"{name}: {error}")
    return Search(leftovers, unread)


async def _in_database(settings: Settings, needles: Sequence[str]) -> list[Leftover]:
    found = await find_texts(database_url(settings), needles) if _has_database(settings) else {}
    return [Leftover("database", place, rows) for place, rows in found.items()]


def _has_database(settings: Settings) -> bool:
    """False before the first start on SQLite."""
    return settings.on_postgresql or Path(database_url(settings).removeprefix("sqlite:///")).exists()


async def _in_redis(settings: Settings, needles: Sequence[str]) -> list[Leftover]:
    encoder = await asyncio.to_thread(_encoder_of, settings)

    def detokenize(key: str, raw: bytes) -> str:
        return encoder.decode(decode(raw, SegmentKey(key)))

    link = await redis_link(settings)
    patient = link.patient()
    leftovers: list[Leftover] = []
    try:
        async for name, values in every_value(patient):
            texts = [
                name,
                *values,
                *(_decoded(name, field, raw, detokenize) for field, raw in values.items()),
            ]
            if count := sum(any(_has(one, needle) for needle in needles) for one in texts):
                leftovers.append(Leftover("redis", name, count))
    finally:
        await link.close()
    return leftovers


def _encoder_of(settings: Settings) -> TextEncoder:
    """The tokenizer of the application's model. Raises ConfigurationError, TokenizerRefused."""
    models = local_models(settings, lambda _line: None)
    return BundleEncoder(load_bundle(models.llm, settings.allow_text_roles))


def _decoded(name: str, field: str, raw: bytes, detokenize: Detokenize) -> str:
    """The text in a value: that of a segment's ids, of a retrieval's passages, or else the bytes as text."""
    try:
        if name.startswith("warmline:seg:"):
            return detokenize(name.rpartition(":")[2], raw)
        if name.startswith("warmline:ret:") and field:
            found = decode_retrieval(raw, f"{name}:{field}", "")
            values = (str(value) for passage in found.passages for value in astuple(passage))
            return "\n".join((*values, found.searched_as))
    except (CorruptEntry, CorruptRetrieval):
        pass  # damaged, or not written by this version
    return raw.decode(errors="replace")


def _has(text: str, needle: str) -> bool:
    return needle.casefold() in text.casefold()


async def _in_files(settings: Settings, needles: Sequence[str]) -> list[Leftover]:
    raw = [needle.encode("utf-8", "surrogatepass") for needle in needles]

    def look() -> list[Leftover]:
        folders = {settings.state_dir, sessions_folder(settings)}
        files = {path for folder in folders for path in _files(folder, settings.models)}
        counted = ((path, _count(path, raw)) for path in sorted(files))
        return [Leftover("files", str(path), count) for path, count in counted if count]

    return await asyncio.to_thread(look)


def _files(folder: Path, models: Path) -> Iterator[Path]:
    """All regular files below a folder, but not the models."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) != models]
        for name in names:
            path = Path(parent, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _count(path: Path, needles: Sequence[bytes]) -> int:
    """How often a file has one of the needles, byte by byte."""
    kept = max(map(len, needles)) - 1
    count, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            window = tail + chunk
            tail = window[len(window) - kept :] if kept else b""
            count += sum(window.count(needle) - tail.count(needle) for needle in needles)
    return count + sum(tail.count(needle) for needle in needles)

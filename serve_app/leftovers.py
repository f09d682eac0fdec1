"""Looks for a text in everything that this machine's settings name: database, Redis, files of the state."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from deployments.core.errors import ConfigurationError, WarmlineError
from deployments.core.ids import SegmentKey
from deployments.core.ports import TextEncoder
from deployments.core.salt import entry_seal, load_secret
from deployments.database.text_search import find_texts
from deployments.redis.all_values import every_value
from deployments.retrieval.retrieval_store import CorruptRetrieval, decode_retrieval
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.codec import CorruptEntry, decode
from deployments.token_cache.encoder import BundleEncoder
from serve_app.assembly.knowledge import database_url
from serve_app.assembly.redis import redis_link
from serve_app.local_models import embedded_llm, is_set_up, local_models
from serve_app.local_ray import sessions_folder
from serve_app.settings import Settings

_CHUNK_BYTES = 2**20


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


async def search(
    settings: Settings, text: str, told: Callable[[str], object] = lambda _store: None
) -> Search:
    """Looks for a text, in any store and in any form in which this application stores texts.

    `told` is called with the name of each store before it is searched, which can take minutes.
    """
    needles = list(dict.fromkeys([text, json.dumps(text)[1:-1]]))
    leftovers: list[Leftover] = []
    unread: list[str] = []
    in_redis = partial(_in_redis, unread=unread)
    for name, look in (("database", _in_database), ("redis", in_redis), ("files", _in_files)):
        told(name)
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


async def _in_redis(settings: Settings, needles: Sequence[str], unread: list[str]) -> list[Leftover]:
    encoder = await asyncio.to_thread(_encoder_of, settings)
    secret = settings.secret.get_secret_value() if settings.secret else None
    seal = entry_seal(load_secret(secret, settings.state_dir))
    undecoded = 0

    def text_of(name: str, field: str, raw: bytes) -> str:
        nonlocal undecoded
        try:
            return _decoded(name, field, raw, encoder, seal)
        except (CorruptEntry, CorruptRetrieval):
            undecoded += 1
            return raw.decode(errors="replace")

    link = await redis_link(settings)
    patient = link.patient()
    leftovers: list[Leftover] = []
    try:
        async for name, values in every_value(patient):
            texts = [
                name,
                *values,
                *(text_of(name, field, raw) for field, raw in values.items()),
            ]
            if count := sum(any(_has(one, needle) for needle in needles) for one in texts):
                leftovers.append(Leftover("redis", name, count))
    finally:
        await link.close()
    if undecoded:
        unread.append(
            f"redis: {undecoded} entries are damaged, or sealed with another secret than this one's"
        )
    return leftovers


def _encoder_of(settings: Settings) -> TextEncoder:
    """The tokenizer of the application's model, which is here where the application runs.

    Raises ConfigurationError, TokenizerRefused.
    """
    if (model := embedded_llm(settings)) and not is_set_up(model, settings):
        raise ConfigurationError(
            f"{model.name} was never set up here: set WARMLINE_MODEL and WARMLINE_MODEL_DIR as for the server"
        )
    models = local_models(settings, lambda _line: None)
    return BundleEncoder(load_bundle(models.llm, settings.allow_text_roles))


def _decoded(name: str, field: str, raw: bytes, encoder: TextEncoder, seal: bytes) -> str:
    """The text in a value: that of a segment's ids, of a retrieval's passages, or else the bytes as text.

    Raises CorruptEntry and CorruptRetrieval for an entry that is damaged or not of this version and secret.
    """
    if name.startswith("warmline:seg:"):
        return encoder.decode(decode(raw, SegmentKey(name.rpartition(":")[2]), seal))
    if name.startswith("warmline:ret:") and field:
        found = decode_retrieval(raw, f"{name}:{field}", "", seal)
        values = (str(value) for passage in found.passages for value in astuple(passage))
        return "\n".join((*values, found.searched_as))
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

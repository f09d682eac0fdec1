"""What callers attach to documents besides their text: an address, and metadata to filter by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployments.core.errors import InvalidRequest
from deployments.core.ids import DocId, doc_id
from deployments.core.texts import check_storable

MAX_URL_CHARS = 2_000
MAX_METADATA_KEYS = 32
"""Of one document."""
MAX_KEY_CHARS = 64
MAX_VALUE_CHARS = 500
MAX_METADATA_CHARS = 8_000
"""Of one document's keys and values together."""
MAX_FILTER_KEYS = 8
"""Of one question or search."""
MAX_FILTER_VALUES = 20
"""Of one key of a filter."""
MAX_FILTER_DOC_IDS = 100


def as_url(given: str | None, own: str | None = None) -> str | None:
    """A document's address; None if there is none. Raises InvalidRequest.

    `own` is what the document itself says. It is used if nothing else is given and it is a whole address:
    many files have a relative one.
    """
    url, own = (given or "").strip(), (own or "").strip()
    if not url:
        return own if _is_web_address(own) else None
    if not _is_web_address(url):
        raise InvalidRequest(
            f"url must be like https://host/path, of at most {MAX_URL_CHARS} characters without blanks", "url"
        )
    return url


def _is_web_address(url: str) -> bool:
    if len(url) > MAX_URL_CHARS or " " in url or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an IPv6 host without a closing bracket
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def as_metadata(given: Mapping[str, str], own: Mapping[str, str] | None = None) -> dict[str, str]:
    """The metadata without blanks around keys and values, ordered by key. Raises InvalidRequest.

    `own` is what the document itself says. It is added as far as it fits: a file with a long description
    is no error of the caller's.
    """
    _check_count(given, MAX_METADATA_KEYS, "keys", "metadata")
    metadata = {_key(key, "metadata"): _value(value, "metadata") for key, value in given.items()}
    left = MAX_METADATA_CHARS - sum(map(_chars, metadata.items()))
    if left < 0:
        limit = f"{MAX_METADATA_CHARS} characters in keys and values together"
        raise InvalidRequest(f"metadata must have at most {limit}", "metadata")
    for key, value in (own or {}).items():
        with suppress(InvalidRequest):
            entry = _key(key, "metadata"), _value(value, "metadata")
            fits = len(metadata) < MAX_METADATA_KEYS and _chars(entry) <= left
            if fits and entry[0] not in metadata:
                metadata[entry[0]] = entry[1]
                left -= _chars(entry)
    return dict(sorted(metadata.items()))


def _chars(entry: tuple[str, str]) -> int:
    key, value = entry
    return len(key) + len(value)


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents a question is answered from. `document_filter` makes one of a caller's values."""

    metadata: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Keys with values, ordered: a document matches if it has one of the values for each key."""
    doc_ids: tuple[DocId, ...] = ()
    """Only these documents, ordered; () allows all."""

    def __bool__(self) -> bool:
        return bool(self.metadata or self.doc_ids)

    def canonical(self) -> str:
        """The filter as JSON: equal only for equal filters."""
        return json.dumps([self.metadata, self.doc_ids])


EVERY_DOCUMENT = DocumentFilter()


def document_filter(
    metadata: Mapping[str, str | Sequence[str]] | None, doc_ids: Sequence[str] | None
) -> DocumentFilter:
    """The filter of a caller's values: one of the values for every key, and one of `doc_ids`.

    Raises InvalidRequest, which names `filter` or `doc_ids`.
    """
    wanted = metadata or {}
    _check_count(wanted, MAX_FILTER_KEYS, "keys", "filter")
    _check_count(doc_ids or (), MAX_FILTER_DOC_IDS, "ids", "doc_ids")
    if doc_ids is not None and not doc_ids:  # who computes a list of allowed documents means none of them
        raise InvalidRequest("doc_ids must have an id; leave it out to allow all documents", "doc_ids")
    values = {_key(key, "filter"): _wanted_values(key, given) for key, given in wanted.items()}
    if len(values) < len(wanted):
        raise InvalidRequest("filter must have each key once, also without blanks around it", "filter")
    return DocumentFilter(
        tuple(sorted(values.items())), tuple(sorted({doc_id(one) for one in doc_ids or ()}))
    )


def _wanted_values(key: str, given: str | Sequence[str]) -> tuple[str, ...]:
    values = [given] if isinstance(given, str) else given
    if not values:
        raise InvalidRequest(f"filter: the list of {key[:MAX_KEY_CHARS]!r} must have a value", "filter")
    _check_count(values, MAX_FILTER_VALUES, "values for a key", "filter")
    return tuple(sorted({_value(value, "filter") for value in values}))


def _check_count(given: Sequence[object] | Mapping[str, object], most: int, what: str, param: str) -> None:
    if len(given) > most:
        raise InvalidRequest(f"{param} must have at most {most} {what}", param)


def _key(key: str, param: str) -> str:
    name = key.strip()
    if not 1 <= len(name) <= MAX_KEY_CHARS:
        raise InvalidRequest(f"{param}: a key must have 1 to {MAX_KEY_CHARS} characters", param)
    check_storable(name, param)
    return name


def _value(value: str, param: str) -> str:
    if len(value) > MAX_VALUE_CHARS:
        raise InvalidRequest(f"{param}: a value must have at most {MAX_VALUE_CHARS} characters", param)
    check_storable(value, param)
    return value.strip()

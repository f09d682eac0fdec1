"""Types of ids, and the checks of ids that callers choose."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NewType

from deployments.core.errors import InvalidRequest

TenantId = NewType("TenantId", str)
CollectionName = NewType("CollectionName", str)
DocId = NewType("DocId", str)
RequestId = NewType("RequestId", str)
SegmentKey = NewType("SegmentKey", str)
"""Content address of a segment: hex digest of tokenizer fingerprint, flags, schema version, text."""
Fingerprint = NewType("Fingerprint", str)

DEFAULT_TENANT = TenantId("default")

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLLECTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_DOC_ID_CHARS = 200
_DOC_ID = re.compile(r"(?:https?://)?[^/]+(?:/[^/]+)*")
"""Segments separated by `/`. An address has an empty one after its scheme."""
_NOT_IN_DOC_IDS = frozenset("\\\ufffd")
"""Browsers send a backslash as `/`. U+FFFD stands for bytes that were no UTF-8."""
_DOC_ID_RULE = (
    f"1-{MAX_DOC_ID_CHARS} visible characters: a name, or several separated by single `/`, none of which is "
    "`.` or `..`; without `\\` and without blanks at start and end. Percent-encode it in a path"
)
_MOST_DECOMPOSED = 4
"""Characters of Unicode's NFD form that NFC makes one of, at most."""


def tenant_id(raw: str) -> TenantId:
    """Checks a tenant's name. The alphabet has no `/`, `*` or blank, so it is safe inside keys.

    Raises: InvalidRequest.
    """
    rule = "1-64 of A-Z a-z 0-9 . _ -, first a letter or digit"
    return TenantId(_checked(raw, _TENANT, "business_id", rule))


def collection_name(raw: str) -> CollectionName:
    """Checks a collection's name. Raises: InvalidRequest."""
    return CollectionName(_checked(raw, _COLLECTION, "collection", "1-64 of a-z 0-9 _, first a letter"))


def doc_id(raw: str) -> DocId:
    """Checks a document's id, and returns it in Unicode's NFC form.

    It may be a file's path or an address: characters of any script, blanks and `/` are allowed. What
    clients and proxies drop from a path (empty, `.` and `..` segments) is not. Raises: InvalidRequest.
    """
    checked = _visible(raw, "doc_id", _DOC_ID_RULE)
    if not _DOC_ID.fullmatch(checked) or not {".", ".."}.isdisjoint(checked.split("/")):
        raise InvalidRequest(f"doc_id must be {_DOC_ID_RULE}", "doc_id")
    return DocId(checked)


def doc_id_pattern(raw: str) -> str:
    """Checks a glob pattern of documents' ids (`*`, `?`, `[abc]`, `[!abc]`), and returns it in NFC form.

    `*` also matches `/`. Raises: InvalidRequest.
    """
    rule = f"1-{MAX_DOC_ID_CHARS} visible characters without `\\` and without blanks at start and end"
    return _visible(raw, "pattern", rule)


def _visible(raw: str, param: str, rule: str) -> str:
    # The length is checked first, since normalising many combining characters takes quadratic time.
    text = unicodedata.normalize("NFC", raw) if len(raw) <= _MOST_DECOMPOSED * MAX_DOC_ID_CHARS else ""
    visible = text.isprintable() and text == text.strip() and _NOT_IN_DOC_IDS.isdisjoint(text)
    if not visible or not 1 <= len(text) <= MAX_DOC_ID_CHARS:
        raise InvalidRequest(f"{param} must be {rule}", param)
    return text


def _checked(raw: str, allowed: re.Pattern[str], param: str, words: str) -> str:
    if not allowed.fullmatch(raw):
        raise InvalidRequest(f"{param} must be {words}", param)
    return raw


@dataclass(frozen=True, slots=True)
class Scope:
    """A collection of one tenant. Every key, row and vector belongs to one scope."""

    tenant: TenantId
    collection: CollectionName

    def __str__(self) -> str:
        return f"{self.tenant}/{self.collection}"

"""Types of ids, and the checks of ids that callers choose."""

from __future__ import annotations

import re
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
_DOC_ID_PATTERN = re.compile(r"[A-Za-z0-9._:*?!\[\]-]{1,200}")
_DOC_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


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
    """Checks a document's id. Raises: InvalidRequest."""
    return DocId(_checked(raw, _DOC_ID, "doc_id", "1-200 of A-Z a-z 0-9 . _ : -, first a letter or digit"))


def doc_id_pattern(raw: str) -> str:
    """Checks a glob pattern of documents' ids (`*`, `?`, `[abc]`, `[!abc]`). Raises: InvalidRequest."""
    return _checked(raw, _DOC_ID_PATTERN, "pattern", "1-200 of A-Z a-z 0-9 . _ : - * ? ! [ ]")


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

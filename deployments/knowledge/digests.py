"""Recognises an upload that would store what is stored already."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from deployments.core.documents import DocumentDraft


def digest(draft: DocumentDraft) -> str:
    """sha256, hex, of all that decides what is stored: file, media type, labels, version of the application.

    Another version may read the same file differently.
    """
    labels = (draft.media_type, draft.title, draft.section, draft.asked_as, draft.url, dict(draft.metadata))
    told = json.dumps((_version(), draft.doc_id, *labels), sort_keys=True)
    return hashlib.sha256(told.encode() + b"\0" + draft.raw).hexdigest()


@cache
def _version() -> str:
    try:
        return version("warmline")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return ""

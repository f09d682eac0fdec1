"""The prompt with which the model writes documentation, and the id of the document."""

from __future__ import annotations

import re
import unicodedata

from deployments.core.ids import DocId, doc_id

_SLUG_CHARS = 60
_FORMS = {
    "api": "an API description: endpoints or functions with their parameters, results and errors",
    "guide": "a how-to guide: what it is for, then the steps",
    "tutorial": "a tutorial: a first example from start to end, each step explained",
    "reference": "a reference page: complete, exact and terse",
}


def writing_prompt(topic: str, doc_type: str, source_code: str | None, specifications: str | None) -> str:
    """The material first, because several documents may be written from the same one; then the task."""
    parts = []
    if source_code:
        parts.append(f"### Source code\n{source_code.strip()}")
    if specifications:
        parts.append(f"### Specifications\n{specifications.strip()}")
    parts.append(f"Write {_FORMS[doc_type]}.\nTopic: {' '.join(topic.split())}")
    return "\n\n".join(parts)


def document_id(topic: str, suffix: str) -> DocId:
    """The ASCII letters and digits of the topic, and `suffix`, which makes the id unique."""
    ascii_only = unicodedata.normalize("NFKD", topic).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower())[:_SLUG_CHARS].strip("-")
    return doc_id(f"{slug or 'document'}-{suffix}")

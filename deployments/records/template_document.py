"""A business template as text: as the document that questions are answered from, and to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.core.business import Template, TemplateDraft
from deployments.core.business_ideas import IdeaText
from deployments.core.documents import DocumentDraft
from deployments.core.ids import CollectionName, DocId

COLLECTION = CollectionName("business_templates")


def document_of(template: Template) -> DocumentDraft:
    """Its title is the name, its section the type. The metrics are in it, since answers quote them."""
    draft = template.draft
    parts = [
        f"Business type: {draft.business_type.replace('_', ' ')}",
        *_paragraphs(draft.template_data),
        *_paragraphs({"success_metrics": draft.success_metrics}),
    ]
    text = "\n\n".join(parts)
    return DocumentDraft(
        DocId(template.template_id), draft.name, draft.business_type, "text/markdown", text.encode()
    )


def template_text(draft: TemplateDraft) -> str:
    """What an idea is compared with: all but the type and the metrics."""
    return "\n\n".join((draft.name, *_paragraphs(draft.template_data)))


def idea_text(text: IdeaText) -> str:
    """The same of an idea."""
    parts = {
        "summary": text.description,
        "target_audience": text.target_audience,
        "monetization_model": text.monetization_model,
        "mvp_features": text.mvp_features,
        "tech_stack": text.tech_stack,
    }
    return "\n\n".join((text.name, *_paragraphs(parts)))


def _paragraphs(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key == "name" or value in (None, "", [], {}):
            continue
        lines = list(_lines(value))
        if isinstance(value, Mapping | list | tuple):
            yield "\n".join([f"{_title(key)}:", *lines])
        else:
            yield f"{_title(key)}: {lines[0]}"


def _lines(value: object, indent: str = "") -> Iterator[str]:
    """A list's items and an object's entries, each in a line of its own."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _item(f"{_words(key)}:", inner, indent)
        case list() | tuple():
            for inner in value:
                yield from _item("", inner, indent)
        case _:
            yield _one_line(value)


def _item(label: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple):
        yield f"{indent}- {label}".rstrip()
        yield from _lines(value, indent + "  ")
    else:
        yield " ".join(part for part in (f"{indent}-", label, _one_line(value)) if part)


def _one_line(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as people write it
    return " ".join(str(value).split())


def _words(key: str) -> str:
    return " ".join(key.replace("_", " ").split())


def _title(key: str) -> str:
    words = _words(key)
    return words[:1].upper() + words[1:]

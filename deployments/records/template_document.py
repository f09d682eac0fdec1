"""A business template as text: as a document for answering questions, and as a text to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from deployments.core.documents import DocumentDraft
from deployments.core.errors import InvalidRequest
from deployments.core.ids import CollectionName, DocId
from deployments.core.records.ideas import IdeaText
from deployments.core.records.templates import Template, TemplateDraft, template_wordings

COLLECTION = CollectionName("business_templates")
_IDEA_PARTS = (
    "summary",
    "description",
    "target_audience",
    "monetization_model",
    "mvp_features",
    "tech_stack",
)


_NOT_IN_TEXT = {"name", "asked_as"}


def document_of(template: Template) -> DocumentDraft:
    """Returns a template's document: the name is its title, the business type its section.

    The metrics are in its text, because answers quote them. The texts in the template's `asked_as`
    become the document's wordings.
    """
    draft = template.draft
    parts = [
        f"Business type: {draft.business_type.replace('_', ' ')}",
        *_paragraphs(draft.template_data),
        *_paragraphs({"success_metrics": draft.success_metrics}),
    ]
    text = "\n\n".join(parts)
    return DocumentDraft(
        DocId(template.template_id),
        draft.name,
        draft.business_type,
        "text/markdown",
        text.encode(),
        asked_as=_wordings(draft),
    )


def _wordings(draft: TemplateDraft) -> tuple[str, ...]:
    """Returns the wordings in `asked_as`; none if an older version stored something else there."""
    try:
        return template_wordings(draft.template_data)
    except InvalidRequest:
        return ()


def template_text(draft: TemplateDraft) -> str:
    """Returns the text that ideas are compared with.

    It has the parts that an idea has too, or all parts if the template has none of those.
    """
    data = {key: value for key, value in draft.template_data.items() if key not in _NOT_IN_TEXT}
    parts = {key: data[key] for key in _IDEA_PARTS if key in data} or data
    return "\n".join((draft.name, *_leaves(parts)))


def idea_text(text: IdeaText) -> str:
    """Returns an idea's text, to compare. It has no labels, because those would make texts similar."""
    return "\n".join(_leaves(asdict(text)))


def _leaves(value: object) -> Iterator[str]:
    match value:
        case Mapping():
            for inner in value.values():
                yield from _leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from _leaves(inner)
        case _:
            yield _one_line(value)


def _paragraphs(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key in _NOT_IN_TEXT or value in (None, "", [], {}):
            continue
        lines = list(_lines(value))
        if isinstance(value, Mapping | list | tuple):
            yield "\n".join([f"{_title(key)}:", *lines])
        else:
            yield f"{_title(key)}: {lines[0]}"


def _lines(value: object, indent: str = "") -> Iterator[str]:
    """Yields the items of a list or the entries of an object, one per line."""
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
        value = int(value)  # 3, not 3.0
    return " ".join(str(value).split())


def _words(key: str) -> str:
    return " ".join(key.replace("_", " ").split())


def _title(key: str) -> str:
    words = _words(key)
    return words[:1].upper() + words[1:]

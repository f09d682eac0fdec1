"""Which documents a question, a search or a list is about: the fields of bodies, and query parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator, FailFast, Field, StringConstraints, WithJsonSchema

from deployments.core.document_labels import (
    MAX_FILTER_DOC_IDS,
    MAX_FILTER_KEYS,
    MAX_FILTER_VALUES,
    MAX_KEY_CHARS,
    MAX_VALUE_CHARS,
    DocumentFilter,
    document_filter,
)
from deployments.core.ids import MAX_DOC_ID_CHARS
from serve_app.http.body import Body
from serve_app.http.fields import at_most, json_parameter

_MAX_JSON_CHARS = 10_000
_Key = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY_CHARS)]
_Value = Annotated[str, StringConstraints(max_length=MAX_VALUE_CHARS)]
_VALUE = {"type": "string", "maxLength": MAX_VALUE_CHARS}
_Values = Annotated[
    list[_Value],
    FailFast(),
    Field(min_length=1, max_length=MAX_FILTER_VALUES),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    WithJsonSchema(
        {
            "anyOf": [
                _VALUE,
                {"type": "array", "items": _VALUE, "minItems": 1, "maxItems": MAX_FILTER_VALUES},
            ]
        }
    ),
]
_MetadataFilter = Annotated[dict[_Key, _Values], at_most(MAX_FILTER_KEYS), Field(max_length=MAX_FILTER_KEYS)]
_DocId = Annotated[str, StringConstraints(max_length=MAX_DOC_ID_CHARS)]

_FILTER = "takes only documents whose `metadata` have, for every key given, this value or one of these values"
_DOC_IDS = "takes only these documents"


class Filtered(Body):
    """A question that can be limited to some documents."""

    filter: _MetadataFilter = Field(
        {}, description=_FILTER, examples=[{"product": "harbor", "lang": ["de", "en"]}]
    )
    doc_ids: list[_DocId] | None = Field(
        None, min_length=1, max_length=MAX_FILTER_DOC_IDS, fail_fast=True, description=_DOC_IDS
    )

    def only(self) -> DocumentFilter:
        """The documents to take. Raises InvalidRequest."""
        return document_filter(self.filter, self.doc_ids)


async def _only(
    filter: Annotated[
        str | None,
        Query(
            max_length=_MAX_JSON_CHARS,
            description=f"JSON object: {_FILTER}",
            examples=['{"product":"harbor"}'],
        ),
    ] = None,
    doc_ids: Annotated[
        list[_DocId] | None,
        Query(min_length=1, max_length=MAX_FILTER_DOC_IDS, description=f"{_DOC_IDS}; repeat it for each"),
    ] = None,
) -> DocumentFilter:
    wanted = None if filter is None else json_parameter(_MetadataFilter, filter, "filter")
    return document_filter(wanted, doc_ids)


OnlyDep = Annotated[DocumentFilter, Depends(_only)]
"""The documents that a request's query parameters `filter` and `doc_ids` name."""

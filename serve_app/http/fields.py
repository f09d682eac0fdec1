"""Types of fields that several bodies have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from deployments.core.document_labels import (
    MAX_KEY_CHARS,
    MAX_METADATA_CHARS,
    MAX_METADATA_KEYS,
    MAX_URL_CHARS,
    MAX_VALUE_CHARS,
)
from deployments.core.errors import InvalidRequest
from deployments.core.ids import MAX_DOC_ID_CHARS
from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_QUERY_CHARS,
    MAX_SECTION_CHARS,
    MAX_USER_ID_CHARS,
)
from deployments.core.texts import check_storable, check_text

_MAX_NAME_CHARS = 200
_METADATA = (
    "your own labels, by which questions can be filtered; "
    f"at most {MAX_METADATA_CHARS} characters in keys and values together"
)


def at_most(entries: int) -> BeforeValidator:
    """Refuses a larger object before its entries are checked.

    pydantic counts them afterwards, and makes an error object for each wrong one.
    """

    def check(value: object) -> object:
        if isinstance(value, dict) and len(value) > entries:
            raise PydanticCustomError("too_long", "must have at most {entries} entries", {"entries": entries})
        return value

    return BeforeValidator(check)


def json_parameter(kind: Any, raw: str, param: str) -> Any:
    """The value of a query parameter that is JSON of the type `kind`. Raises InvalidRequest."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidRequest(f"{param}: {first['msg']}", param) from None


def _storable(value: str) -> str:
    return _checked(value, lambda: check_storable(value, "value"))


def _checked(value: str, check: Callable[[], None]) -> str:
    try:
        check()
    except InvalidRequest as error:
        reason = error.message.removeprefix("value ")
        raise PydanticCustomError("not_storable", "{reason}", {"reason": reason}) from None
    return value


def _names_a_user(value: str) -> str:
    return _checked(value, lambda: check_text(value, "value", MAX_USER_ID_CHARS))


def _in_utc(value: object) -> object:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


Moment = Annotated[datetime, BeforeValidator(_in_utc)]
"""A time, made from Unix seconds. JSON has it in ISO 8601, in UTC."""
Seconds = Annotated[float, AfterValidator(lambda value: round(value, 3))]
"""A duration, rounded to the millisecond."""
QueryText = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS)]
UserId = Annotated[str, Field(min_length=1, max_length=MAX_USER_ID_CHARS), AfterValidator(_names_a_user)]
"""Whose a record is. An erasure takes the same ones."""
AnswerTokens = Annotated[int, Field(ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")]
"""The most tokens that an answer may have."""
UsesMemory = Annotated[bool, Field(description="false: this call neither reads nor writes memory")]
AgentName = Annotated[str, Field(max_length=_MAX_NAME_CHARS)]
SectionName = Annotated[
    str,
    Field(max_length=MAX_SECTION_CHARS, description="takes passages from this section of documents only"),
]
DocumentUrl = Annotated[
    str,
    Field(max_length=MAX_URL_CHARS, description="where people read it (http or https); citations have it"),
]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARS)],
        Annotated[str, Field(max_length=MAX_VALUE_CHARS)],
    ],
    at_most(MAX_METADATA_KEYS),
    Field(max_length=MAX_METADATA_KEYS, description=_METADATA),
]
PageMark = Annotated[
    str,
    Field(max_length=MAX_DOC_ID_CHARS, description="the `next` of the page before"),
    AfterValidator(_storable),
]
RecordId = Annotated[str, AfterValidator(_storable)]
"""The id of a record in a path. The database compares it with its own."""
ConversationId = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_storable)]
"""The id of a conversation, or of a response, in a body."""

"""The base class of request bodies, and how response bodies are made from core objects."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Body(BaseModel):
    """A request's body. An unknown field is an error."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _one_unknown_field(cls, body: Any) -> Any:
        """Drops all unknown fields but the first: pydantic makes an error object for each."""
        known = {field.alias or name for name, field in cls.model_fields.items()}
        if not isinstance(body, dict) or len(body) <= len(known):
            return body
        unknown = next(name for name in body if name not in known)
        return {name: value for name, value in body.items() if name == unknown or name in known}


class FromCore:
    """A response's body that is made from core objects.

    A body that has all fields of a core dataclass derives from that dataclass: a field added there is
    in the response and in OpenAPI without a change here. Other bodies are pydantic models.
    """

    __slots__ = ()

    @classmethod
    def of(cls, *cores: DataclassInstance, **others: object) -> Self:
        """The body with the values that `cores` have under the names of its fields, and with `others`.

        Later cores win over earlier ones, `others` win over all. A field `x` can also be filled from a
        core's `x_s`, so that Unix seconds become a `Moment`.
        """
        found: dict[str, object] = {}
        for core in cores:
            found |= _values(core)
        without_unit = {name[: -len("_s")]: value for name, value in found.items() if name.endswith("_s")}
        validator = _validator(cast(Any, cls))  # mypy does not see that a class is hashable
        body: Self = validator.validate_python(without_unit | found | others)
        return body

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A core dataclass's defaults are for code that makes one; a response always has every field."""
        reference = handler(core_schema)
        if not issubclass(cls, BaseModel):
            schema = handler.resolve_ref_schema(reference)
            schema["required"] = list(schema["properties"])
            for field in schema["properties"].values():
                field.pop("default", None)
        return reference


def _values(core: DataclassInstance) -> dict[str, object]:
    """A core's values by field. Unlike `asdict`, which is several times slower, it copies no values."""
    return {field.name: _plain(getattr(core, field.name)) for field in fields(core)}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _values(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


@cache
def _validator(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

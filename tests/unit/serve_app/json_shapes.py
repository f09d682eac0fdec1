"""The shape that a type has as JSON, so that pydantic models and typed dicts can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic import BaseModel


def shape(kind: Any) -> Any:
    """A value that is equal for types with the same JSON. An object's shape maps fields to shapes."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Annotated, NotRequired}:
        return shape(arguments[0])
    if origin in {Union, UnionType}:
        return "any of", sorted((shape(one) for one in arguments), key=repr)
    if origin is Literal:
        return "one of", sorted(arguments)
    if origin in {list, tuple}:
        items = [shape(one) for one in arguments if one is not Ellipsis]
        alike = all(item == items[0] for item in items)
        return ("list", items[0]) if alike else ("list of", items)
    if origin is dict:
        return "dict", *(shape(one) for one in arguments)
    if isinstance(kind, NewType):
        return shape(kind.__supertype__)
    if not isinstance(kind, type):
        return kind
    if is_typeddict(kind) or is_dataclass(kind) or issubclass(kind, BaseModel):
        return {name: (required, shape(field)) for name, (required, field) in _fields(kind).items()}
    if issubclass(kind, StrEnum):
        return "one of", sorted(str(member) for member in kind)
    return str if kind is datetime else kind


def _fields(kind: Any) -> Mapping[str, tuple[bool, Any]]:
    """Whether each field is required, and its type."""
    if is_typeddict(kind):  # its `__required_keys__` are wrong if annotations are strings
        hints = get_type_hints(kind, include_extras=True)
        return {name: (get_origin(hint) is not NotRequired, hint) for name, hint in hints.items()}
    if is_dataclass(kind):  # a response always has every field
        return {name: (True, hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {name: (field.is_required(), field.annotation) for name, field in kind.model_fields.items()}

"""Response bodies that are made from core objects."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, TypeAdapter

from deployments.core.cache_figures import CacheStats
from deployments.core.documents import Ingested, TextHit
from deployments.core.ledger import Citation, Reuse
from deployments.core.messages import Warmed
from deployments.core.records.support_report import Spread, Topic
from deployments.core.records.tickets import HelpfulSolution
from deployments.core.ticket_image import GroundingBox, TicketImage
from serve_app.http.body import FromCore
from serve_app.http.fields import Moment
from tests.unit.serve_app.fake_services import Api


@dataclass(frozen=True, slots=True)
class Engine:
    """A core object."""

    name: str
    started_at_s: float
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Another one."""

    name: str
    row: int
    engine: Engine


@dataclass(frozen=True, slots=True)
class EngineBody(FromCore, Engine):
    """Has all fields of `Engine`."""


class PlaceBody(FromCore, BaseModel):
    """Has some fields of `Place` and of its engine."""

    name: str
    row: int
    started_at: Moment | None
    engine: EngineBody | None


ENGINE = Engine("e", 1.5, 7)
PLACE = Place("p", 3, ENGINE)


def test_a_derived_body_has_every_value_of_its_core():
    """It equals the core object field by field."""
    assert EngineBody.of(ENGINE) == EngineBody("e", 1.5, 7)


def test_equal_names_are_copied_and_nested_cores_become_bodies():
    """Unix seconds become a time under the name without a unit."""
    body = PlaceBody.of(ENGINE, PLACE)
    assert (body.name, body.row, body.engine) == ("p", 3, EngineBody("e", 1.5, 7))
    assert body.started_at == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert body.model_dump_json(include={"started_at"}) == '{"started_at":"1970-01-01T00:00:01.500000Z"}'


def test_what_is_given_by_name_wins():
    """Over each core; a later core wins over an earlier one."""
    body = PlaceBody.of(PLACE, ENGINE, row=9, started_at=None, engine=None)
    assert body == PlaceBody(name="e", row=9, started_at=None, engine=None)


def test_a_default_of_the_core_is_no_default_of_the_response():
    """A response always has every field, so its schema requires them and names no default."""
    schema = TypeAdapter(EngineBody).json_schema(mode="serialization")
    assert schema["required"] == ["name", "started_at_s", "tokens"]
    assert "default" not in schema["properties"]["tokens"]


@pytest.mark.parametrize(
    "core",
    [
        CacheStats,
        Citation,
        GroundingBox,
        HelpfulSolution,
        Ingested,
        Reuse,
        Spread,
        TextHit,
        TicketImage,
        Topic,
        Warmed,
    ],
)
def test_the_description_has_every_field_of_a_core(core):
    """In the schema of its body, in order, so that a field added to the core is documented."""
    schema = Api().app.openapi()["components"]["schemas"][f"{core.__name__}Body"]
    assert list(schema["properties"]) == schema["required"] == [field.name for field in fields(core)]

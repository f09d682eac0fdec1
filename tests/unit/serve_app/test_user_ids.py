"""A user_id that is stored can be erased: fields of bodies refuse what an erasure or the database refuses."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from deployments.core.erasure import ErasureKind, ErasureTarget
from serve_app.http.fields import UserId
from tests.unit.serve_app.fake_services import Api, error_of

KEY = "acme-root-key-0123456789"


@pytest.mark.parametrize("name", ["a\0b", " ", "\n", "\u200b", "", "x" * 201])
def test_a_user_id_that_names_nobody_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UserId).validate_python(name)


@pytest.mark.parametrize("name", ["ann", " ann ", "J\u00f6rg", "x" * 200])
def test_any_other_can_be_erased(name: str) -> None:
    assert TypeAdapter(UserId).validate_python(name) == name
    assert ErasureTarget(ErasureKind.CUSTOMER, subject=name).subject == name


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
@pytest.mark.parametrize("name", ["a\0b", " "])
async def test_a_response_is_refused_before_it_is_generated(field: str, name: str) -> None:
    """The database would refuse its conversation only after the whole answer."""
    api = Api(api_keys=f"{KEY}=acme")
    answer = await api.http.post(
        "/v1/responses",
        json={"model": "support", "input": "Why?", field: name},
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert (answer.status_code, error_of(answer)["param"]) == (400, field)

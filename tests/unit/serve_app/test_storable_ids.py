"""No id and no page mark reaches the database with a character that it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.serve_app.fake_services import Api, error_of

KEY = "acme-root-key-0123456789"
MARKS = {"after", "before"}


def places() -> Iterator[tuple[str, str, str, str]]:
    """Each id in a path, and each page mark that is a text: method, path, where it is, its name."""
    for path, methods in Api().app.openapi()["paths"].items():
        for method, described in methods.items():
            for parameter in described.get("parameters", ()):
                if is_id(parameter) or (parameter["name"] in MARKS and "'string'" in str(parameter)):
                    yield method, path, parameter["in"], parameter["name"]


def is_id(parameter: dict[str, Any]) -> bool:
    return parameter["in"] == "path" and parameter["name"] not in {"name", "path"}


@pytest.mark.parametrize(("method", "path", "where", "name"), [*places()])
async def test_a_nul_is_refused_by_name(method: str, path: str, where: str, name: str) -> None:
    """PostgreSQL fails on one: without the check, the caller would get a server error."""
    api = Api(api_keys=f"{KEY}=acme")
    url = path.replace(f"{{{name}}}", "a%00b").replace("{name}", "documentation")
    response = await api.http.request(
        method,
        url,
        params={name: "a\0b"} if where == "query" else None,
        headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        content='{"content": "x"}' if method in {"post", "put"} else None,
    )
    assert response.status_code == 400, response.text
    assert error_of(response)["message"].startswith((f"{name}: must be text", "doc_id must be"))


def test_ids_and_marks_are_found() -> None:
    """The test above tests something."""
    assert len({name for _, _, _, name in places()}) >= 6

"""`warmline erase`: what it asks the application for."""

from __future__ import annotations

import pytest

from deployments.core.erasure import ErasureKind, ErasureTarget
from deployments.core.ids import CollectionName
from serve_app.commands import erase
from tests.unit.commands.conftest import Warmline, shown
from tests.unit.serve_app.fake_services import Api

KB = CollectionName("support_kb")


@pytest.mark.parametrize(
    ("options", "target"),
    [
        (["--user", "ann"], ErasureTarget(ErasureKind.CUSTOMER, subject="ann")),
        (["--collection", KB], ErasureTarget(ErasureKind.COLLECTION, KB)),
        (["--collection", KB, "--document", "a"], ErasureTarget(ErasureKind.DOCUMENT, KB, "a")),
        (["--everything-of", "default"], ErasureTarget(ErasureKind.TENANT)),
    ],
)
def test_it_erases_what_the_options_name(
    api: Api, warmline: Warmline, options: list[str], target: ErasureTarget
) -> None:
    assert "removed tickets: 3" in warmline("erase", *options).output
    assert [asked for _, _, asked in api.erasures.asked] == [target]


def test_it_follows_an_erasure_to_its_end(
    api: Api, warmline: Warmline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "_FOLLOW_EVERY_S", 0.0)
    api.erasures.slow = True
    assert shown(warmline("erase", "--user", "ann", "--json"))["state"] == "done"


@pytest.mark.parametrize(
    "options", [[], ["--document", "a"], ["--user", "ann", "--collection", KB], ["--verify", ""]]
)
def test_options_that_name_nothing_or_two_things_are_refused(
    api: Api, warmline: Warmline, options: list[str]
) -> None:
    warmline("erase", *options, code=2)
    assert api.erasures.asked == []

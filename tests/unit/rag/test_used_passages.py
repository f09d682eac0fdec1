"""A process knows in which version it last used a passage."""

from __future__ import annotations

from dataclasses import replace

from deployments.core.ids import TenantId
from deployments.rag.used_passages import UsedPassages
from tests.fakes import a_passage
from tests.unit.rag.rig import SCOPE

OTHER_TENANT = replace(SCOPE, tenant=TenantId("other"))


def test_a_passage_has_changed_when_its_document_has_another_version() -> None:
    used, first, second = UsedPassages(), a_passage(0, doc="d"), a_passage(1, doc="d")
    used.note(SCOPE, [first, second])
    used.note(SCOPE, [replace(first, version=4)])
    assert used.changed(SCOPE, replace(first, version=4)) is False
    assert used.changed(SCOPE, replace(second, version=4)) is True
    assert used.changed(SCOPE, a_passage(2, doc="d")) is None, "never used"
    assert used.changed(OTHER_TENANT, first) is None, "used by another tenant only"


def test_the_passage_used_longest_ago_is_forgotten_first() -> None:
    used, passages = UsedPassages(limit=2), [a_passage(number) for number in range(3)]
    used.note(SCOPE, passages[:2])
    used.note(SCOPE, [passages[0], passages[2]])
    assert [used.changed(SCOPE, one) for one in passages] == [False, None, False]

"""Changes of documents are counted, and passed on."""

from __future__ import annotations

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.metrics import DOCUMENT_CHANGES, INVALIDATED
from serve_app.metrics.document_changes import counted
from tests.fakes import RecordingMeter


def test_a_change_is_counted_by_its_collection_and_passed_on():
    """With the segments that it invalidated; a new document invalidates none."""
    meter, passed = RecordingMeter(), []
    changed = counted(meter, lambda *change: passed.append(change))
    scope = Scope(TenantId("acme"), CollectionName("support_kb"))
    changed(scope, 3)
    changed(scope, 0)
    assert meter.of(DOCUMENT_CHANGES, collection="support_kb") == [1, 1]
    assert meter.of(INVALIDATED, collection="support_kb") == [3]
    assert passed == [(scope, 3), (scope, 0)]

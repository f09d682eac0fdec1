"""Sample templates are loaded once in the life of a database, for the default tenant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from deployments.core.errors import NotFound
from deployments.core.ids import DEFAULT_TENANT
from deployments.core.records.templates import BusinessType, TemplateQuery
from deployments.knowledge.samples import SAMPLES
from tests.contract.business.conftest import Business, Open
from tests.fake_business import ACME, SAAS, a_template

FILE = SAMPLES / "business_templates.json"


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Two of the samples."""
    file = tmp_path / "few.json"
    file.write_text(json.dumps(json.loads(FILE.read_text())[:2]))
    return file


async def test_all_shipped_samples_can_be_stored(business: Business) -> None:
    """At least 40, of several types, each a record with its document."""
    await business.memory.prepare(FILE)
    summaries = await business.memory.type_summaries(DEFAULT_TENANT)
    assert sum(summary.templates for summary in summaries) >= 40
    assert len(summaries) >= 8
    async with business.knowledge._database.snapshot() as connection:
        stored = await connection.scalar(text("SELECT count(*) FROM documents"))
    assert stored == sum(summary.templates for summary in summaries)
    assert await business.memory.type_summaries(ACME) == ()
    best = await business.memory.recall_templates(TemplateQuery(DEFAULT_TENANT, BusinessType("saas")))
    assert best[0].template_id in await business.found(best[0].draft.name, "default")


async def test_a_deleted_sample_stays_deleted_and_a_changed_one_changed(reopen: Open, few: Path) -> None:
    business = await reopen()
    await business.memory.prepare(few)
    query = TemplateQuery(DEFAULT_TENANT, SAAS, 0.0)
    first, second = (t.template_id for t in await business.memory.recall_templates(query))
    await business.memory.delete_template(DEFAULT_TENANT, first)
    await business.memory.put_template(DEFAULT_TENANT, second, a_template("Changed"))
    await business.close()
    business = await reopen()
    await business.memory.prepare(few)
    with pytest.raises(NotFound):
        await business.memory.get_template(DEFAULT_TENANT, first)
    assert (await business.memory.get_template(DEFAULT_TENANT, second)).draft.name == "Changed"


async def test_loading_that_was_interrupted_is_continued(reopen: Open, few: Path) -> None:
    business = await reopen()
    business.library.down = True
    with pytest.raises(OSError, match="down"):
        await business.memory.prepare(few)
    await business.close()
    business = await reopen()
    await business.memory.prepare(few)
    assert len(await business.found("clinics freelancers", "default")) == 2

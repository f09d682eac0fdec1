"""The auditor of the chaos sees each kind of broken promise, and none where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from deployments.agents.asking import question_of
from deployments.agents.specs import SUPPORT
from deployments.core.ids import RequestId, TenantId
from deployments.core.messages import Ask, Question
from deployments.core.token_ids import from_bytes
from tests.chaos.auditor import Auditor
from tests.chaos.rooms import Edition
from tests.fakes import SCAFFOLD, FakeEncoder
from tests.uncached_rag import uncached_rag

QUERY = "What is the code word of room 1?"


def edition(number: int, *, tenant: str = "acme", room: int = 1) -> Edition:
    return Edition(tenant, room, number)


async def prompt_of(*editions: Edition) -> list[int]:
    """The prompt of the question with these documents."""
    asked: Question = question_of(SUPPORT, Ask(TenantId("acme"), QUERY, RequestId("r")))
    passages = tuple(one.passage(0.0) for one in editions)
    rag = uncached_rag(SUPPORT, FakeEncoder(), SCAFFOLD)
    return list(from_bytes((await rag.retrieve_tokens(replace(asked, passages=passages))).ids))


async def violations(ids: Sequence[int], written: int = 3, acknowledged: int = 2) -> list[str]:
    """What the auditor says of a prompt for a question that was sent after this many changes of room 1."""
    auditor = Auditor(FakeEncoder(), SCAFFOLD)
    auditor.written.sent["acme", 1] = auditor.written.sent["beta", 1] = written
    auditor.written.acknowledge(edition(acknowledged), acknowledged)
    await auditor.prompt("acme", QUERY, auditor.written.least("acme"), ids, alone=True)
    return auditor.violations


@pytest.mark.parametrize("number", [2, 3])
async def test_what_was_acknowledged_or_is_being_written_is_allowed(number: int) -> None:
    assert await violations(await prompt_of(edition(number))) == []


@pytest.mark.parametrize(
    ("shown", "broken"),
    [
        (edition(1), "was acknowledged before"),
        (edition(4), "was acknowledged before"),
        (edition(2, tenant="beta"), "a document of beta"),
        (edition(0, room=2), "got rooms {2}"),
    ],
)
async def test_a_wrong_document_is_seen(shown: Edition, broken: str) -> None:
    assert broken in "; ".join(await violations(await prompt_of(shown)))


async def test_one_wrong_id_is_seen() -> None:
    ids = await prompt_of(edition(2))
    ids[-3] += 1
    assert "differ from those without caches" in "; ".join(await violations(ids))

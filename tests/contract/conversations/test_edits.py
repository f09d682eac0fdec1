"""Documents that change between the turns of a conversation: no later prompt has their old text."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from random import Random

import pytest

from deployments.core.conversations import Continuation
from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter, document_filter
from deployments.core.documents import DocumentDraft
from deployments.core.ids import DocId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.token_ids import from_bytes
from tests.contract.conversations.conftest import Kept
from tests.fakes import FakeEncoder, FakeGenerator, FakeResolver
from tests.unit.rag.rig import SCOPE, Rig, delta, question

TURNS = 60
TOPICS = ("export", "invoice", "password", "backup")


class Repeating(FakeGenerator):
    """A `Generator` whose answers repeat all codes of the prompt, as a model may."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        codes = re.findall(r"code-\d+", FakeEncoder().decode(from_bytes(request.prompt)))
        yield delta(" ".join(codes), kv_cached_tokens=0, finish_reason="stop")


async def test_no_prompt_has_the_old_text_of_an_edited_document(kept: Kept) -> None:
    """Half of the turns come after an edit. Every code is stored once."""
    rng, rig = Random(0), Rig()
    rig.use(
        retriever=kept.knowledge,
        conversations=kept.store,
        resolver=FakeResolver(FakeEncoder()),
        generator=Repeating(),
    )
    codes: dict[str, str] = {}
    old: set[str] = set()
    continued = 0

    async def store(topic: str) -> None:
        codes[topic] = f"code-{rng.randrange(10**9):09}"
        body = f"The {topic} uses the {topic} {codes[topic]} of the {topic}."
        draft = DocumentDraft(DocId(topic), topic, None, "text/markdown", body.encode())
        await kept.knowledge.put(SCOPE, draft)

    for topic in TOPICS:
        await store(topic)
    for number in range(TURNS):
        previous = f"resp_{number - 1}" if number else None
        asked = question(
            f"the {rng.choice(TOPICS)}?", continues=Continuation(f"resp_{number}", previous=previous), top_k=1
        )
        answer = await rig.answer(asked)
        prompt = rig.encoder.decode(from_bytes(answer.prompt_ids))
        assert not [code for code in old if code in prompt]
        assert answer.conversation is not None
        continued += bool(answer.conversation.turn_tokens)
        if rng.random() < 0.5:
            edited = rng.choice(TOPICS)
            old.add(codes[edited])
            await store(edited)
    assert continued > TURNS / 4


TEAM_A = document_filter({"team": "a"}, None)


@pytest.mark.parametrize(
    ("first", "section", "later"),
    [
        (TEAM_A, None, TEAM_A),
        (EVERY_DOCUMENT, None, TEAM_A),
        (EVERY_DOCUMENT, None, document_filter(None, ["invoice"])),
        (EVERY_DOCUMENT, "a", EVERY_DOCUMENT),
    ],
)
async def test_no_prompt_tells_of_a_document_outside_its_limit(
    kept: Kept, first: DocumentFilter, section: str | None, later: DocumentFilter
) -> None:
    """Nor what an earlier answer said of it: here the document's labels change, but not its text."""
    rig = Rig()
    rig.use(
        retriever=kept.knowledge,
        conversations=kept.store,
        resolver=FakeResolver(FakeEncoder()),
        generator=Repeating(),
    )

    async def store(topic: str, code: str, team: str) -> None:
        body = f"The {topic} uses the {topic} {code} of the {topic}."
        labels = {"team": team}
        draft = DocumentDraft(DocId(topic), topic, team, "text/markdown", body.encode(), metadata=labels)
        await kept.knowledge.put(SCOPE, draft)

    async def ask(number: int, topic: str, only: DocumentFilter, section: str | None) -> str:
        continued = Continuation(f"resp_{number}", previous=f"resp_{number - 1}" if number else None)
        asked = question(f"the {topic}?", continues=continued, only=only, section=section, top_k=1)
        return rig.encoder.decode(from_bytes((await rig.answer(asked)).prompt_ids))

    await store("export", "code-1", "a")
    await store("invoice", "code-2", "a")
    assert "code-1" in await ask(0, "export", first, section)
    await store("export", "code-1", "b")
    prompt = await ask(1, "invoice", later, section)
    assert "code-2" in prompt
    assert "code-1" not in prompt

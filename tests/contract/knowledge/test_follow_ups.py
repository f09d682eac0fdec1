"""A question is searched for with the earlier questions of its talk, on every database."""

from __future__ import annotations

import asyncio

from deployments.core.documents import Retrieval, SearchQuery
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start

TALK = ("How long are old versions of a file kept on Team?",)


async def stored(knowledge: Knowledge) -> None:
    """Stores three short documents about different things."""
    await knowledge.put("versions", "old versions of a file are kept for days", "File versions")
    await knowledge.put("prices", "what the plans Team and Business cost", "Prices")
    await knowledge.put("dark", "turn on dark mode in settings", "Dark mode")


async def asked(knowledge: Knowledge, text: str, *talk: str) -> Retrieval:
    """The result of a search in a talk."""
    return await knowledge.service.search(SearchQuery(SCOPE, text, 3, talk=talk))


async def test_the_talk_decides_what_a_follow_up_is_about(knowledge: Knowledge) -> None:
    await stored(knowledge)
    alone, in_talk = await asked(knowledge, "and Business?"), await asked(knowledge, "and Business?", *TALK)
    assert (alone.passages[0].doc_id, alone.searched_as) == ("prices", "and Business?")
    assert (in_talk.passages[0].doc_id, in_talk.searched_as) == ("versions", f"{TALK[0]} and Business?")


async def test_a_new_topic_is_not_pulled_to_the_old_one(knowledge: Knowledge) -> None:
    await stored(knowledge)
    found = await asked(knowledge, "turn on dark mode", *TALK)
    assert (found.passages[0].doc_id, found.searched_as) == ("dark", "turn on dark mode")


async def test_an_identifier_of_the_talk_is_searched_for_literally(knowledge: Knowledge) -> None:
    await stored(knowledge)
    await knowledge.put("codes", " ".join(f"TW-40{number:02}" for number in range(30)), "Codes")
    code = "What does TW-4003 say?"
    assert (await asked(knowledge, "how do I fix that?", code)).passages[0].doc_id == "codes"
    assert (await asked(knowledge, "turn on dark mode", code)).passages[0].doc_id == "dark"


async def test_the_talk_counts_while_full_text_alone_serves(start: Start) -> None:
    first = await start()
    await stored(first)
    await first.service.close()
    await first.database.close()
    gate = asyncio.Event()
    changed = await start("another", gate=gate)
    found = await asked(changed, "why?", *TALK)
    assert (found.passages[0].doc_id, found.searched_as) == ("versions", f"{TALK[0]} why?")
    gate.set()


async def test_every_search_in_an_empty_collection_finds_nothing(knowledge: Knowledge) -> None:
    assert (await asked(knowledge, "and Business?", *TALK)).passages == ()

"""Recalling earlier tickets: the customer's own, and solutions of similar ones.

Issues whose solutions may be recalled are documents in their own collection, so a search finds them as
it finds passages. The present state of the ticket decides whether its solution counts: after a reopening
or a bad rating it does not.
"""

from __future__ import annotations

from contextlib import suppress

from deployments.core.documents import DocumentDraft, SearchQuery
from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, DocId, Scope
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.ports import DocumentLibrary, Retriever
from deployments.core.records.tickets import ENDED, HelpfulSolution, MemoryContext, Ticket
from deployments.records.ticket_store import TicketStore

COLLECTION = CollectionName("support_memory")
MAX_EARLIER = 5
MAX_SOLUTIONS = 3
_CANDIDATES = 20
"""Similar issues to search for: more than MAX_SOLUTIONS, because some solutions do not count."""
_GOOD_RATING = 4
"""A solution with a lower rating does not count."""


class SupportMemory:
    """Recalls and stores what helps with tickets. All methods raise KnowledgeUnavailable."""

    def __init__(self, store: TicketStore, retriever: Retriever, library: DocumentLibrary) -> None:
        self._store = store
        self._retriever = retriever
        self._library = library

    async def recall(self, ticket: Ticket) -> MemoryContext:
        """Returns the customer's earlier tickets and the solutions of similar tickets."""
        earlier = await self._store.earlier(ticket, MAX_EARLIER)
        return MemoryContext(earlier, await self._solutions(ticket))

    async def remember(self, ticket: Ticket) -> None:
        """Stores a ticket's issue for search. Its solution counts from when the ticket is resolved."""
        issue = ticket.issue_description.encode()
        draft = DocumentDraft(DocId(ticket.ticket_id), "", None, "text/plain; charset=utf-8", issue)
        await self._library.put(Scope(ticket.tenant, COLLECTION), draft)

    async def forget(self, ticket: Ticket) -> None:
        """Deletes a ticket's issue, if it was stored."""
        with suppress(NotFound):
            await self._library.delete(Scope(ticket.tenant, COLLECTION), DocId(ticket.ticket_id))

    async def _solutions(self, ticket: Ticket) -> tuple[HelpfulSolution, ...]:
        issue = ticket.issue_description[:MAX_QUERY_CHARS]
        query = SearchQuery(Scope(ticket.tenant, COLLECTION), issue, _CANDIDATES)
        similarities: dict[str, float | None] = {}
        for passage in (await self._retriever.search(query)).passages:
            similarities.setdefault(passage.doc_id, passage.similarity)
        similarities.pop(ticket.ticket_id, None)
        found = await self._store.get_many(ticket.tenant, list(similarities))
        solutions = [
            HelpfulSolution(doc_id, known.issue_description, known.solution, similarity, known.rating)
            for doc_id, similarity in similarities.items()
            if (known := found.get(doc_id)) and known.solution is not None and _helped(known)
        ]
        return tuple(solutions[:MAX_SOLUTIONS])


def _helped(ticket: Ticket) -> bool:
    rated_badly = ticket.rating is not None and ticket.rating < _GOOD_RATING
    return ticket.solution_in_memory and ticket.status in ENDED and not rated_badly

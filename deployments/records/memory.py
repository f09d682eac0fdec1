"""What earlier tickets teach: the customer's own, and what solved similar ones.

Issues whose solution may be recalled are documents of a collection of their own, and so are found as
passages are. Whether a solution still counts is decided by the ticket as it stands: one that was reopened
or rated badly does not.
"""

from __future__ import annotations

from deployments.core.documents import DocumentDraft, SearchQuery
from deployments.core.ids import CollectionName, DocId, Scope
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.ports import DocumentLibrary, Retriever
from deployments.core.records.tickets import ENDED, HelpfulSolution, MemoryContext, Ticket
from deployments.records.ticket_store import TicketStore

COLLECTION = CollectionName("support_memory")
MAX_EARLIER = 5
MAX_SOLUTIONS = 3
_CANDIDATES = 20
"""Similar issues to look at; some of their solutions have been found not to help."""
_GOOD_RATING = 4


class SupportMemory:
    """Recalls and remembers. All methods raise KnowledgeUnavailable."""

    def __init__(self, store: TicketStore, retriever: Retriever, library: DocumentLibrary) -> None:
        self._store = store
        self._retriever = retriever
        self._library = library

    async def recall(self, ticket: Ticket) -> MemoryContext:
        """What helps with a ticket."""
        earlier = await self._store.earlier(ticket, MAX_EARLIER)
        return MemoryContext(earlier, await self._solutions(ticket))

    async def remember(self, ticket: Ticket) -> None:
        """Makes a ticket's issue findable; its solution counts once the ticket says that it may."""
        issue = ticket.issue_description.encode()
        draft = DocumentDraft(DocId(ticket.ticket_id), "", None, "text/plain; charset=utf-8", issue)
        await self._library.put(Scope(ticket.tenant, COLLECTION), draft)

    async def _solutions(self, ticket: Ticket) -> tuple[HelpfulSolution, ...]:
        issue = ticket.issue_description[:MAX_QUERY_CHARS]
        query = SearchQuery(Scope(ticket.tenant, COLLECTION), issue, _CANDIDATES)
        similarities: dict[str, float | None] = {}
        for passage in (await self._retriever.search(query)).passages:
            similarities.setdefault(passage.doc_id, passage.similarity)
        similarities.pop(ticket.ticket_id, None)
        found = await self._store.many(ticket.tenant, list(similarities))
        solutions = [
            HelpfulSolution(doc_id, known.issue_description, known.solution, similarity, known.rating)
            for doc_id, similarity in similarities.items()
            if (known := found.get(doc_id)) and known.solution is not None and _helped(known)
        ]
        return tuple(solutions[:MAX_SOLUTIONS])


def _helped(ticket: Ticket) -> bool:
    rated_badly = ticket.rating is not None and ticket.rating < _GOOD_RATING
    return ticket.solution_in_memory and ticket.status in ENDED and not rated_badly

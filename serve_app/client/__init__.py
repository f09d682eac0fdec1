"""The agents of the running application, as Python objects.

    agent = SupportAgent(business_id="my_business")
    result = await agent.answer_support_query_cached("How do I reset my password?")

Inside Ray they call the application over a Serve handle, elsewhere over HTTP. Results are the JSON objects of
the HTTP API, as typed dicts. Its errors are raised as the `WarmlineError`s that they are.
"""

from __future__ import annotations

from serve_app.client.business import BusinessGenerationAgent
from serve_app.client.documentation import DocumentationAgent, get_documentation_agent
from serve_app.client.rag import TokenCachedRAG
from serve_app.client.results import (
    Answer,
    CacheStats,
    Citation,
    Conversation,
    ConversationUse,
    DocumentationAnswer,
    DocumentHit,
    DocumentOutcome,
    DocumentSearch,
    Filter,
    GeneratedAnswer,
    Idea,
    IdeaBatch,
    MissedPassage,
    PromptMetadata,
    PromptPassage,
    Reuse,
    StoredDocument,
    SupportAnswer,
    Template,
    Templates,
    TemplatesAnswer,
    WrittenDocument,
)
from serve_app.client.support import SupportAgent
from serve_app.client.support_results import (
    Durations,
    Escalation,
    KnowledgeSearch,
    MemoryContext,
    Passage,
    Period,
    Satisfaction,
    SimilarSolution,
    SupportReport,
    TextLine,
    Ticket,
    TicketImage,
    TicketResponse,
    Topic,
)

__all__ = [
    "Answer",
    "BusinessGenerationAgent",
    "CacheStats",
    "Citation",
    "Conversation",
    "ConversationUse",
    "DocumentHit",
    "DocumentOutcome",
    "DocumentSearch",
    "DocumentationAgent",
    "DocumentationAnswer",
    "Durations",
    "Escalation",
    "Filter",
    "GeneratedAnswer",
    "Idea",
    "IdeaBatch",
    "KnowledgeSearch",
    "MemoryContext",
    "MissedPassage",
    "Passage",
    "Period",
    "PromptMetadata",
    "PromptPassage",
    "Reuse",
    "Satisfaction",
    "SimilarSolution",
    "StoredDocument",
    "SupportAgent",
    "SupportAnswer",
    "SupportReport",
    "Template",
    "Templates",
    "TemplatesAnswer",
    "TextLine",
    "Ticket",
    "TicketImage",
    "TicketResponse",
    "TokenCachedRAG",
    "Topic",
    "WrittenDocument",
    "get_documentation_agent",
]

"""One `AgentSpec` for each agent: its figures and wording. A changed wording changes every prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias, get_args

from deployments.core.agent_spec import AgentSpec
from deployments.core.ids import CollectionName

Section: TypeAlias = Literal["api", "guide", "tutorial", "reference"]
"""A section of the documentation, which is also the type of a document that the agent writes."""
SECTIONS: tuple[str, ...] = get_args(Section)


def _doubt(documents: str) -> str:
    """Only for prompts without a similar document: with it always, a small model declines too often."""
    return f"If the {documents} above do not tell what is asked, reply only: I don't know."


SUPPORT = AgentSpec(
    name="support",
    deployment="Support",
    collection=CollectionName("support_kb"),
    ttl_s=3600,
    max_context_tokens=4096,
    temperature=0.7,
    max_tokens=500,
    preamble=(
        "You are a customer support agent. Answer the user's question using only the help articles "
        "below. Be short and concrete: give the steps, names and numbers from the articles. If the "
        "articles do not answer the question, say that you do not know."
    ),
    no_context="I don't know: no article in the knowledge base answers this question.",
    doubt=_doubt("articles"),
)

BUSINESS = AgentSpec(
    name="business",
    deployment="BusinessGeneration",
    collection=CollectionName("business_templates"),
    ttl_s=3600,
    max_context_tokens=4096,
    temperature=0.5,
    max_tokens=1000,
    preamble=(
        "You advise founders. You answer from the business templates below. If they do not answer the "
        "question, say that you do not know."
    ),
    no_context="I don't know: no business template of this kind is stored.",
    reminder=(
        "Answer only with what the templates above say: all steps, names, prices and numbers that they tell "
        "about it, exactly as they stand there. Add nothing of your own."
    ),
    doubt=_doubt("templates"),
)

IDEA_WRITER = replace(BUSINESS, reminder="", doubt="")
"""The business agent when it generates ideas: these must not repeat the templates."""

DOCUMENTATION = AgentSpec(
    name="documentation",
    deployment="Documentation",
    collection=CollectionName("documentation"),
    ttl_s=7200,
    max_context_tokens=8192,
    temperature=0.3,
    max_tokens=1000,
    preamble=(
        "You are the documentation of a product. Answer using only the documentation below: be exact "
        "about names, parameters and limits, and show code where it does. If it does not answer the "
        "question, say that you do not know."
    ),
    no_context="I don't know: the documentation has nothing on this.",
    doubt=_doubt("pages"),
    further_passages=6,  # its pages are long: the passage that answers is often not the page's nearest one
    sections=SECTIONS,
)

DOCUMENTATION_WRITER = replace(
    DOCUMENTATION,
    preamble=(
        "You write the documentation of a product, in Markdown. Take names, parameters, values and limits "
        "from the source code and the specifications that you are given, exactly as they stand there, and "
        "make up none. Write the document only, without remarks about it."
    ),
    doubt="",
)
"""The documentation agent when it writes a document: it retrieves nothing then."""

AGENTS = (SUPPORT, BUSINESS, DOCUMENTATION)
"""All agents. Settings, scaling, TTL, wiring, warm-up and the HTTP API are derived from this table."""

"""What distinguishes the agents: figures and wording. A change of wording is a change of every prompt."""

from __future__ import annotations

from deployments.core.ids import CollectionName
from deployments.core.messages import AgentSpec

SUPPORT = AgentSpec(
    name="support",
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
)

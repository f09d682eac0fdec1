"""What the check stores and asks."""

from __future__ import annotations

import random
from typing import Any

import httpx

from tests.bench.workload.agent_questions import agent_questions

COLLECTIONS = {"support": "support_kb", "documentation": "documentation"}
OLD_RULE, NEW_RULE = "within 30 days", "within 90 days"
RULE_ID, RULE_QUESTION = "returns", "Within how many days can a customer return a bicycle?"
_TOPICS = ("Passwords", "Invoices", "Shipping", "Refunds", "Accounts", "Notifications", "Exports", "Backups")
_SENTENCE = "{topic} of kind {n} are handled by the team in room {n}, which answers on weekdays before noon. "
_TYPES = ("saas", "mobile_app", "marketplace")


def rule(days: str) -> str:
    """The document that the check updates."""
    return f"A customer can return a bicycle {days} and gets the whole price back. No reason is needed."


def store(http: httpx.Client) -> None:
    """Gives each agent something to answer from."""
    for collection in COLLECTIONS.values():
        for topic in _TOPICS:
            text = "".join(_SENTENCE.format(topic=topic, n=n) for n in range(1, 9))
            put(http, collection, topic.lower(), topic, text)
    put(http, COLLECTIONS["support"], RULE_ID, "Returns", rule(OLD_RULE))
    for kind in _TYPES:
        template = {"name": f"{kind} that works", "lesson": "Talk to ten customers before the first line."}
        body = {"business_type": kind, "template_data": template, "success_metrics": {"success_score": 0.9}}
        http.post("/v1/business/templates", json=body).raise_for_status()


def put(http: httpx.Client, collection: str, doc_id: str, title: str, content: str) -> None:
    """Stores a document, or replaces it."""
    path = f"/v1/collections/{collection}/documents/{doc_id}"
    http.put(path, json={"title": title, "content": content}).raise_for_status()


def short(agent: str, rng: random.Random) -> dict[str, Any]:
    """A question whose prompt is mostly in the engine's cache."""
    common = {"max_tokens": 24, "temperature": 0}
    if agent == "business":
        return {"business_type": rng.choice(_TYPES), **common}
    question = rng.choice(agent_questions(agent, 10)).first
    return {"query": f"{question} It is about case {rng.randrange(10**6)}.", **common}


def long(agent: str, rng: random.Random) -> dict[str, Any]:
    """A question of about 1,000 tokens that no cache holds."""
    if agent == "business":
        return short(agent, rng)
    cases = "".join(f"Case {rng.randrange(10**6)} was closed by {rng.randrange(10**6)}. " for _ in range(60))
    return {"query": f"{cases}Which of these cases are about invoices?", "max_tokens": 4, "temperature": 0}

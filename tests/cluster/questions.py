"""What the check stores and asks."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

COLLECTIONS = {"support": "support_kb", "documentation": "documentation"}
OLD_RULE, NEW_RULE = "within 30 days", "within 90 days"
RULE_ID, RULE_QUESTION = "returns", "Within how many days can a customer return a bicycle?"
_TOPICS = ("Passwords", "Invoices", "Shipping", "Refunds", "Accounts", "Exports")
_SENTENCE = "{topic} of kind {n} are handled by the team in room {n}, which answers on weekdays before noon. "
_TYPES = ("saas", "mobile_app", "marketplace")


def rule(days: str) -> str:
    """The document that the check updates."""
    return f"A customer can return a bicycle {days} and gets the whole price back. No reason is needed."


def store(http: httpx.Client) -> None:
    """Gives each agent something to answer from. All at once: a change waits 2 s for leases on PostgreSQL."""
    with ThreadPoolExecutor(8) as pool:
        stored = [
            pool.submit(put, http, collection, topic.lower(), topic, _text(topic))
            for collection in COLLECTIONS.values()
            for topic in _TOPICS
        ]
        stored.append(pool.submit(put, http, COLLECTIONS["support"], RULE_ID, "Returns", rule(OLD_RULE)))
        stored += [pool.submit(_put_template, http, kind) for kind in _TYPES]
        for one in stored:
            one.result()


def _text(topic: str) -> str:
    return "".join(_SENTENCE.format(topic=topic, n=n) for n in range(1, 4))


def _put_template(http: httpx.Client, kind: str) -> None:
    template = {"name": f"{kind} that works", "lesson": "Talk to ten customers before the first line."}
    body = {"business_type": kind, "template_data": template, "success_metrics": {"success_score": 0.9}}
    http.post("/v1/business/templates", json=body).raise_for_status()


def put(http: httpx.Client, collection: str, doc_id: str, title: str, content: str) -> None:
    """Stores a document, or replaces it."""
    path = f"/v1/collections/{collection}/documents/{doc_id}"
    http.put(path, json={"title": title, "content": content}).raise_for_status()


def short(agent: str, rng: random.Random) -> dict[str, Any]:
    """A question whose prompt is mostly in the engine's cache."""
    common = {"max_tokens": 16, "temperature": 0, "top_k": 3}
    if agent == "business":
        return {"business_type": rng.choice(_TYPES), **common}
    topic, case = rng.choice(_TOPICS).lower(), rng.randrange(10**6)
    return {"query": f"Which team handles {topic} of kind {rng.randrange(1, 4)}? Case {case}.", **common}


def long(agent: str, rng: random.Random) -> dict[str, Any]:
    """A question of about 1,000 tokens that no cache holds."""
    if agent == "business":
        return short(agent, rng)
    cases = "".join(f"Case {rng.randrange(10**6)} was closed by {rng.randrange(10**6)}. " for _ in range(60))
    return {"query": f"{cases}Which of these cases are about invoices?", "max_tokens": 4, "temperature": 0}

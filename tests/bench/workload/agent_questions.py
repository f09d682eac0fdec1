"""Questions for each agent, each also in other words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.agents.business import recall_query
from deployments.core.records.templates import BusinessType

FOLDER = Path(__file__).with_name("questions")
AGENTS = ("support", "business", "documentation")


@dataclass(frozen=True, slots=True)
class AgentQuestion:
    """A question, the same question in other words, and the section that the search is confined to."""

    first: str
    reworded: str
    section: str | None = None


def agent_questions(agent: str, limit: int) -> list[AgentQuestion]:
    """The first `limit` questions of an agent."""
    entries = json.loads((FOLDER / "agent_questions.json").read_text())[agent][:limit]
    return [_question(entry) for entry in entries]


def _question(entry: Mapping[str, str]) -> AgentQuestion:
    if (section := entry.get("section")) is None:
        return AgentQuestion(entry["question"], entry["reworded"])
    kind = section.replace("_", " ")
    reworded = f"Which mistakes should a new {kind} business not repeat, and what would it cost to start?"
    return AgentQuestion(recall_query(BusinessType(section)), reworded, section)

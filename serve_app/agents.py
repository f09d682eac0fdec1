"""The agents' deployments: one row an agent.

An agent that only answers from its collection needs no more than a row in
`deployments.agents.specs.AGENTS`. One with further operations has a builder here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from deployments.agents.specs import BUSINESS, DOCUMENTATION, SUPPORT
from deployments.core.agent_spec import AgentSpec
from deployments.core.replica import Build, Served
from serve_app.assembly import agents
from serve_app.settings import Settings

Builder: TypeAlias = "Callable[[AgentSpec, Settings, agents.AgentPeers], Awaitable[Sequence[Served]]]"

_BUILDERS: Mapping[str, Builder] = {
    SUPPORT.name: agents.support,
    BUSINESS.name: agents.business,
    DOCUMENTATION.name: agents.documentation,
}


def build_of(spec: AgentSpec, settings: Settings, peers: agents.AgentPeers) -> Build:
    """The function that a replica of this agent calls to make its services."""
    return partial(_BUILDERS.get(spec.name, agents.answering), spec, settings, peers)

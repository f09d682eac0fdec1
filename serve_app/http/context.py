"""FastAPI dependencies of the routes: the services, the request's tenant, and the call.

None of these functions awaits anything. They are async because FastAPI runs a plain function in a thread,
which costs more than they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, RequestId, Scope, TenantId
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.messages import Ask
from serve_app.auth import Access
from serve_app.edge import EdgeClock
from serve_app.services import Services


@dataclass(frozen=True, slots=True)
class Call:
    """A request that an agent's model works on."""

    tenant: TenantId
    request_id: RequestId
    """As `serve_app.request_ids` found it; other requests can have the same."""
    clock: EdgeClock
    """Started when the request arrived."""
    timeout_s: float
    key_id: str
    """The API key whose usage it is."""

    def ask(self, query: str, top_k: int = DEFAULT_TOP_K, section: str | None = None) -> Ask:
        """A question to an agent, with the agent's own defaults for sampling."""
        return Ask(
            tenant=self.tenant,
            query=query,
            request_id=self.request_id,
            top_k=top_k,
            section=section,
            deadline_s=self.timeout_s,
            spent=self.clock.spent(),
            key_id=self.key_id,
        )


async def services(request: Request) -> Services:
    """The services that the application was built with."""
    return cast(Services, request.app.state.services)


async def access(request: Request) -> Access:
    """What a request may do, which `Edge` has found out before the body was read."""
    return cast(Access, request.state.access)


async def tenant(found: Annotated[Access, Depends(access)]) -> TenantId:
    """The tenant of a request."""
    return found.tenant


async def call(
    request: Request,
    parts: Annotated[Services, Depends(services)],
    found: Annotated[Access, Depends(access)],
) -> Call:
    """The request as a call."""
    clock = cast(EdgeClock, request.state.clock)
    timeout_s = parts.settings.request_timeout_s
    return Call(found.tenant, request.state.request_id, clock, timeout_s, found.key_id)


async def scope(
    name: str, owner: Annotated[TenantId, Depends(tenant)], parts: Annotated[Services, Depends(services)]
) -> Scope:
    """A collection of the tenant. Raises NotFound if no agent reads a collection of this name."""
    return Scope(owner, collection_of(parts, name, "name"))


def collection_of(parts: Services, name: str, param: str) -> CollectionName:
    """The collection of this name. Raises NotFound, which names `param`, if no agent reads one."""
    known = sorted(parts.collections.values())
    if name not in known:
        raise NotFound(f"there is no collection {name!r}; there are: {', '.join(known)}", param)
    return CollectionName(name)


ServicesDep = Annotated[Services, Depends(services)]
AccessDep = Annotated[Access, Depends(access)]
TenantDep = Annotated[TenantId, Depends(tenant)]
CallDep = Annotated[Call, Depends(call)]
ScopeDep = Annotated[Scope, Depends(scope)]

"""What every route depends on: the services, the request's tenant, id and clock.

None of this waits, and all is async all the same: FastAPI sends a plain function to a thread, which costs
more than any of these does.
"""

from __future__ import annotations

from typing import Annotated, cast
from uuid import uuid4

from fastapi import Depends, Request

from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, RequestId, Scope, TenantId
from serve_app.edge import EdgeClock
from serve_app.services import Services


async def services(request: Request) -> Services:
    """The services the application was built with."""
    return cast(Services, request.app.state.services)


async def tenant(request: Request, parts: Annotated[Services, Depends(services)]) -> TenantId:
    """Whose request this is. Raises Unauthorized, Forbidden, InvalidRequest."""
    return parts.tenants.of(request.headers)


async def request_id() -> RequestId:
    """A new id; clients can't choose it, since the engine must never see one twice."""
    return RequestId(f"req-{uuid4().hex}")


async def edge_clock(request: Request) -> EdgeClock:
    """The clock that was started when the request arrived."""
    return cast(EdgeClock, request.state.clock)


async def scope(
    name: str, owner: Annotated[TenantId, Depends(tenant)], parts: Annotated[Services, Depends(services)]
) -> Scope:
    """A tenant's collection. Raises NotFound for one that no agent reads."""
    known = sorted(parts.collections.values())
    if name not in known:
        raise NotFound(f"there is no collection {name!r}; there are: {', '.join(known)}", "name")
    return Scope(owner, CollectionName(name))


ServicesDep = Annotated[Services, Depends(services)]
TenantDep = Annotated[TenantId, Depends(tenant)]
RequestIdDep = Annotated[RequestId, Depends(request_id)]
ClockDep = Annotated[EdgeClock, Depends(edge_clock)]
ScopeDep = Annotated[Scope, Depends(scope)]

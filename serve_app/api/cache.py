"""The token cache: its figures, and clearing it."""

from fastapi import APIRouter

from deployments.core.errors import InvalidRequest, NotFound
from deployments.core.ids import Scope
from serve_app.api.context import ServicesDep, TenantDep
from serve_app.schemas import ERROR_RESPONSES, CacheStatsBody, ClearedBody, ClearRequest

router = APIRouter(prefix="/v1/cache", tags=["cache"], responses=ERROR_RESPONSES)


@router.get("/stats")
async def stats(parts: ServicesDep, owner: TenantDep) -> dict[str, CacheStatsBody]:
    """The tenant's figures for each agent, in the whole cluster, counted and measured now."""
    return {name: CacheStatsBody.of(await agent.cache_stats(owner)) for name, agent in parts.agents.items()}


@router.post("/clear")
async def clear(body: ClearRequest, parts: ServicesDep, owner: TenantDep) -> ClearedBody:
    """Deletes the tenant's cached token ids; the next questions tokenize anew.

    `cleared` counts the entries of the shared cache; each replica's own copies are dropped as well.
    """
    if body.agent is not None and body.agent not in parts.agents:
        raise NotFound(f"there is no agent {body.agent!r}; there are: {', '.join(parts.agents)}", "agent")
    collection = None if body.agent is None else parts.collections[body.agent]
    if body.pattern is None:
        cleared = await parts.cache.clear(owner, collection)
    elif collection is None:
        raise InvalidRequest("pattern needs an agent: it names documents of its collection", "pattern")
    else:
        cleared = await parts.library.discard_segments(Scope(owner, collection), body.pattern)
    for name, agent in parts.agents.items():
        if body.agent in {None, name}:
            await agent.clear_local(owner)
    return ClearedBody(cleared=cleared)

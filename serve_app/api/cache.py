"""The token cache: its figures, and clearing it."""

from fastapi import APIRouter

from deployments.core.errors import NotFound
from serve_app.api.context import ServicesDep, TenantDep
from serve_app.schemas import ERROR_RESPONSES, CacheStatsBody, ClearedBody, ClearRequest

router = APIRouter(prefix="/v1/cache", tags=["cache"], responses=ERROR_RESPONSES)


@router.get("/stats")
async def stats(parts: ServicesDep, owner: TenantDep) -> dict[str, CacheStatsBody]:
    """The tenant's figures for each agent, in the whole cluster, counted and measured now."""
    return {name: CacheStatsBody.of(await agent.cache_stats(owner)) for name, agent in parts.agents.items()}


@router.post("/clear")
async def clear(body: ClearRequest, parts: ServicesDep, owner: TenantDep) -> ClearedBody:
    """Deletes the tenant's cached token ids; the next questions tokenize anew."""
    if body.agent is not None and body.agent not in parts.agents:
        raise NotFound(f"there is no agent {body.agent!r}; there are: {', '.join(parts.agents)}", "agent")
    collection = None if body.agent is None else parts.collections[body.agent]
    cleared = await parts.cache.clear(owner, collection)
    for name, agent in parts.agents.items():
        if body.agent in {None, name}:
            await agent.clear_local(owner)
    return ClearedBody(cleared=cleared)

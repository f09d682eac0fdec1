"""What the clients of all agents have in common."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias
from urllib.parse import quote

from deployments.core.ids import tenant_id
from serve_app.client.token_cached_rag import TokenCachedRAG
from serve_app.client.transport import connect

Body: TypeAlias = dict[str, Any]
"""A response's JSON, as the HTTP API's description has it."""


class AgentClient:
    """A client of one agent, for one tenant. Closing it is not needed.

    Every method raises the WarmlineError that the application answers with: InvalidRequest, NotFound,
    Conflict, Unavailable (also when nothing answers), and so on.
    """

    agent_name: ClassVar[str]

    def __init__(
        self,
        business_id: str,
        enable_memory: bool = True,
        *,
        url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        """`enable_memory=False` neither reads nor writes memory.

        `url` is the application's, as `http://127.0.0.1:8000`; `api_key` is one of the tenant's, where it
        has any. Raises: InvalidRequest.
        """
        self.business_id = tenant_id(business_id)
        self.enable_memory = enable_memory
        self._transport = connect(self.business_id, url, api_key)
        self.token_cached_rag = TokenCachedRAG(self.agent_name, self._transport)

    async def aclose(self) -> None:
        """Lets go of connections; a later call opens new ones."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _get(self, path: str, **params: Any) -> Body:
        found: Body = await self._transport.call("GET", path, params=params)
        return found

    async def _post(self, path: str, **fields: Any) -> Body:
        """Fields that are None are left to the application's defaults."""
        given = {name: value for name, value in fields.items() if value is not None}
        made: Body = await self._transport.call("POST", path, json=given)
        return made


def path_part(name: str) -> str:
    """A name as one part of a path, whatever characters it has."""
    return quote(name, safe="")

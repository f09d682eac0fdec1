"""What the clients of all agents have in common."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import quote

from deployments.agents.specs import AGENTS
from deployments.core.ids import tenant_id
from serve_app.client.connection import connect
from serve_app.client.ingest import Files, ingested
from serve_app.client.rag import TokenCachedRAG
from serve_app.client.results import Conversation, DocumentOutcome, Filter


class AgentClient:
    """A client of one agent, for one tenant. It need not be closed.

    Every method raises the WarmlineError that the application answers with, such as InvalidRequest, NotFound
    or Conflict. It raises Unavailable when nothing answers, and DeadlineExceeded when an answer takes too
    long.
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

        `url` is the application's, such as `http://127.0.0.1:8000`. `api_key` is one of the tenant's, if the
        application needs one. Raises: InvalidRequest when `business_id` can't be a tenant's.
        """
        self.business_id = tenant_id(business_id)
        self.enable_memory = enable_memory
        self._connection = connect(self.business_id, url, api_key)
        self.token_cached_rag = TokenCachedRAG(self.agent_name, self._connection)

    def ingest(self, files: Files) -> AsyncGenerator[DocumentOutcome, None]:
        """Stores documents (by id: bytes, or a file's path) in the collection that the agent answers from.

        Yields what became of each, in the order in which they are done. A document that cannot be read is
        an outcome, not an error. Documents that were stored before are recognised: repeat a call that failed.
        """
        collection = next(spec.collection for spec in AGENTS if spec.name == self.agent_name)
        return ingested(self._connection, collection, files)

    async def begin_conversation(
        self, user_id: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Conversation:
        """Begins a conversation with the agent: name its `id` in questions, as `conversation_id`.

        `user_id` says whose it is; `metadata` are labels of your own.
        """
        begun: Conversation = await self._connection.post(
            "/v1/conversations", user_id=user_id, metadata=metadata
        )
        return begun

    async def delete_conversation(self, conversation_id: str) -> None:
        """Deletes a conversation with all its questions and answers."""
        await self._connection.request("DELETE", f"/v1/conversations/{path_part(conversation_id)}")

    async def aclose(self) -> None:
        """Closes the connections. A later call opens new ones."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def as_json(given: Filter | None) -> str | None:
    """A filter as a query parameter."""
    return None if given is None else json.dumps(given)


def path_part(name: str) -> str:
    """A name as one part of a path, whatever characters it has."""
    return quote(name, safe="")

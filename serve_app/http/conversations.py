"""Conversations that the server keeps, in the shape of OpenAI's Conversations API."""

from __future__ import annotations

from typing import Annotated, Literal

import fastapi
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from deployments.core.conversations import KEPT_S, StoredConversation
from serve_app.http.body import Body
from serve_app.http.context import ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import RecordId, UserId
from serve_app.http.response_bodies import Metadata

_MISSING = error_responses({404: "No such conversation, or it has expired"})

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], responses=ERROR_RESPONSES)


class NewConversation(Body):
    """A conversation to begin. `user_id` says whose it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "ann"}]})

    user_id: UserId | None = None
    metadata: Metadata | None = Field(None, description="labels of your own")
    items: list[object] | None = Field(
        None,
        max_length=0,
        fail_fast=True,
        description="must be empty: send earlier messages with the first question",
    )


class ConversationBody(BaseModel):
    """A conversation. It is deleted `expires_after_s` seconds after its last turn."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: dict[str, str]
    user_id: str | None
    turns: int
    last_response_id: str | None
    expires_after_s: int

    @classmethod
    def from_conversation(cls, found: StoredConversation) -> ConversationBody:
        """The body of a conversation."""
        return cls(
            id=found.conversation_id,
            object="conversation",
            created_at=int(found.created_at_s),
            metadata=dict(found.metadata),
            user_id=found.user_id,
            turns=found.turns,
            last_response_id=found.last_turn,
            expires_after_s=int(KEPT_S),
        )


class DeletedConversation(BaseModel):
    """A conversation that was deleted."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: Literal[True] = True


@router.post("")
async def create(
    body: Annotated[NewConversation, fastapi.Body(default_factory=NewConversation)],
    parts: ServicesDep,
    owner: TenantDep,
) -> ConversationBody:
    """Begins a conversation. Name its id in questions: `conversation_id`, or OpenAI's `conversation`."""
    made = await parts.conversations.create_conversation(owner, body.user_id, body.metadata or {})
    return ConversationBody.from_conversation(made)


@router.get("/{conversation_id}", responses=_MISSING)
async def get(conversation_id: RecordId, parts: ServicesDep, owner: TenantDep) -> ConversationBody:
    """Shows a conversation, without its turns."""
    found = await parts.conversations.conversation(owner, conversation_id)
    return ConversationBody.from_conversation(found)


@router.delete("/{conversation_id}", responses=_MISSING)
async def delete(conversation_id: RecordId, parts: ServicesDep, owner: TenantDep) -> DeletedConversation:
    """Deletes a conversation with all its turns."""
    await parts.conversations.delete_conversation(owner, conversation_id)
    return DeletedConversation(id=conversation_id)

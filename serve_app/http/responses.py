"""OpenAI's Responses API: questions to agents in conversations that the server keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from deployments.core.conversations import Continuation
from deployments.core.messages import Ask
from serve_app.conversation import conversation_of
from serve_app.http.answers import new_turn_id
from serve_app.http.context import Call, CallDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, Responses, error_responses
from serve_app.http.fields import RecordId
from serve_app.http.openai import check_model, renamed_params
from serve_app.http.response_bodies import ResponsesRequest
from serve_app.http.response_objects import DeletedResponse, ResponseObject
from serve_app.response_encoding import ResponseFraming, ResponseHead, stored_response, whole_response
from serve_app.sse import event_stream

_MISSING = error_responses({404: "No such agent, response or conversation, or it has expired"})
_OTHER_TURN = error_responses({409: "Another answer was given in the conversation meanwhile, or it is full"})
_EVENTS: Responses = {
    200: {
        "description": "The response; with `stream`, OpenAI's events, whose `type` is also the event's name",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
                    "required": ["data"],
                }
            }
        },
    }
}
_FIELDS: Mapping[str | None, str] = {
    "query": "input",
    "history": "input",
    "json_schema": "text",
    "max_tokens": "max_output_tokens",
    "response_id": "previous_response_id",
    "conversation_id": "conversation",
}
"""An agent's parameter -> the field of a request that it comes from."""

router = APIRouter(prefix="/v1/responses", tags=["openai"], responses=ERROR_RESPONSES)


@router.post("", response_model=ResponseObject, responses=_MISSING | _OTHER_TURN | _EVENTS)
async def create(body: ResponsesRequest, parts: ServicesDep, call: CallDep) -> Response:
    """Answers a question from the agent's documents, as JSON or, with `stream`, as events.

    The prompt of a continued conversation begins with the earlier prompt and its answer, token for token, so
    the engine computes neither again.
    """
    check_model(body.model, parts)
    head = _head(body, call)
    agent = parts.agents[body.model]
    with renamed_params(_FIELDS):
        ask = _ask(body, call, head)
        if body.stream:
            return await event_stream(call.clock, ResponseFraming(head), agent.stream(ask))
        return JSONResponse(whole_response(head, call.clock.stamp(await agent.answer(ask))))


@router.get("/{response_id}", responses=_MISSING)
async def get(response_id: RecordId, parts: ServicesDep, owner: TenantDep) -> ResponseObject:
    """Shows a stored response."""
    return stored_response(await parts.conversations.conversation_turn(owner, response_id))


@router.delete("/{response_id}", responses=_MISSING)
async def delete(response_id: RecordId, parts: ServicesDep, owner: TenantDep) -> DeletedResponse:
    """Deletes a stored response with its question. Delete the conversation to delete all of them."""
    await parts.conversations.delete_turn(owner, response_id)
    return DeletedResponse(id=response_id)


def _head(body: ResponsesRequest, call: Call) -> ResponseHead:
    return ResponseHead(
        id=new_turn_id(),
        created=int(call.clock.arrived_unix_s),
        model=body.model,
        echo=_echo(body),
        previous=body.previous_response_id,
        conversation_id=body.conversation_id(),
        store=body.store,
        refusable=body.text.schema_text() is not None,
    )


def _echo(body: ResponsesRequest) -> dict[str, Any]:
    """The fields of a request that its response repeats."""
    asked = body.model_dump(
        include={"max_output_tokens", "temperature", "top_p", "metadata"}, exclude_unset=True
    )
    asked |= {"instructions": body.instructions or None, "user": body.user}
    if body.text.format is not None:
        form = body.text.format.model_dump(by_alias=True, exclude_none=True)
        if "schema" in form:
            form["schema"] = json.loads(form["schema"])
        asked["text"] = {"format": form}
    return asked


def _ask(body: ResponsesRequest, call: Call, head: ResponseHead) -> Ask:
    chat = conversation_of(body.input, "input")
    instructions = "\n\n".join(filter(None, (body.instructions.strip(), chat.instructions)))
    return replace(
        call.ask(chat.question),
        only=body.only(),
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        history=chat.history,
        instructions=instructions,
        json_schema=body.text.schema_text(),
        answer_start=chat.answer_start,
        continues=_continuation(body, head),
    )


def _continuation(body: ResponsesRequest, head: ResponseHead) -> Continuation | None:
    if not body.store and head.previous is None and head.conversation_id is None:
        return None
    return Continuation(
        turn_id=head.id,
        conversation_id=head.conversation_id,
        previous=head.previous,
        store=body.store,
        user_id=body.user or body.safety_identifier,
        note=head.note() if body.store else "",
    )

"""The official `openai` package against the Responses API."""

from dataclasses import replace
from itertools import pairwise

import openai
import pydantic
import pytest

from deployments.core.errors import EngineUnavailable
from tests.fakes import a_passage
from tests.unit.rag.rig import ANSWER, Rig, delta
from tests.unit.serve_app.fake_services import Api
from tests.unit.serve_app.test_openai_client import START, client_of

QUESTION = "How do I reset it?"


@pytest.fixture
def client(api):
    """A client of the open API."""
    return client_of(api)


def texts_sent(api):
    """The texts of all prompts."""
    ids = [memoryview(request.prompt).cast("I") for request in api.rig.generator.requests]
    return [api.rig.encoder.decode(prompt) for prompt in ids]


async def test_a_response(client):
    """Its text, its usage and the ledger."""
    made = await client.responses.create(
        model="support", input=QUESTION, temperature=0, metadata={"page": "7"}, instructions="Be brief."
    )
    assert made.output_text == "Press Reset."
    assert (made.status, made.model, made.error, made.incomplete_details) == (
        "completed",
        "support",
        None,
        None,
    )
    assert (made.temperature, made.metadata, made.instructions) == (0, {"page": "7"}, "Be brief.")
    assert made.usage.input_tokens_details.cached_tokens == 32
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    assert made.warmline["cache_hit"] is True
    assert made.warmline["conversation"]["turn_id"] == made.id


async def test_a_stored_response_is_read_and_deleted(client):
    """Then it is gone."""
    made = await client.responses.create(model="support", input=QUESTION, user="ann", metadata={"a": "b"})
    read = await client.responses.retrieve(made.id)
    unlike = {"warmline"}
    assert read.model_dump(exclude=unlike) == made.model_dump(exclude=unlike)
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_response_is_continued(api, client):
    """The second prompt begins with the first and its answer."""
    first = await client.responses.create(model="support", input=QUESTION)
    second = await client.responses.create(model="support", input="And then?", previous_response_id=first.id)
    one, two = texts_sent(api)
    assert two.startswith(one + "Press Reset.")
    assert (second.previous_response_id, second.conversation) == (first.id, first.conversation)


async def test_a_conversation_is_continued(api, client):
    """By its id, after its last response."""
    begun = await client.conversations.create(metadata={"channel": "web"})
    for text in (QUESTION, "And then?"):
        made = await client.responses.create(model="support", input=text, conversation=begun.id)
        assert made.conversation.id == begun.id
    one, two = texts_sent(api)
    assert two.startswith(one + "Press Reset.")
    read = await client.conversations.retrieve(begun.id)
    assert (read.metadata, read.turns, read.last_response_id) == ({"channel": "web"}, 2, made.id)
    assert (await client.conversations.delete(begun.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="support", input="And?", conversation=begun.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_stream_has_the_standards_events(client):
    """In their order, numbered; the last one has the whole response."""
    stream = await client.responses.create(model="support", input=QUESTION, stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events[4:6]) == events[6].text == "Press Reset."
    last = events[-1].response
    assert last.output_text == "Press Reset."
    assert events[0].response.id == last.id
    assert events[2].item.id == events[4].item_id == last.output[0].id
    assert (await client.responses.retrieve(last.id)).output_text == "Press Reset."


async def test_the_clients_own_stream(client):
    """It gathers the events into a response."""
    async with client.responses.stream(model="support", input=QUESTION) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.output_text == "Press Reset."


async def test_what_the_limit_of_tokens_cuts_off_is_incomplete():
    """The standard's own words for it."""
    api = Api(Rig([a_passage()], deltas=[*ANSWER[:2], replace(ANSWER[2], finish_reason="length")]))
    made = await client_of(api).responses.create(model="support", input=QUESTION, max_output_tokens=5)
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert made.output[0].status == "incomplete"
    stream = await client_of(api).responses.create(model="support", input=QUESTION, stream=True)
    assert [event.type async for event in stream][-1] == "response.incomplete"


async def test_messages_are_one_question(api, client):
    """With the turns before it, the outputs of other responses, and results of tools."""
    other = await client.responses.create(model="support", input="Hi", store=False)
    await client.responses.create(
        model="support",
        input=[
            {"role": "developer", "content": "Be polite."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            *other.output,
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"role": "user", "content": "Is it wet?"},
        ],
    )
    sent = texts_sent(api)[-1]
    assert "Be polite." in sent
    assert "user\nHi<|im_end|>\n<|im_start|>assistant\nPress Reset.<|im_end|>" in sent
    assert "Result of weather:\nrain\n\nIs it wet?" in sent


async def test_what_is_not_stored_is_in_no_conversation(api, client):
    """And costs nothing."""
    made = await client.responses.create(model="support", input=QUESTION, store=False)
    assert (made.store, made.conversation) == (False, None)
    assert not api.rig.conversations.turns
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="support", input=QUESTION, previous_response_id=made.id)


async def test_another_tenants_ids_are_not_found():
    """In any place that takes one."""
    api = Api(api_keys="0123456789abcdef=acme,fedcba9876543210=other")
    mine, others = client_of(api, "0123456789abcdef"), client_of(api, "fedcba9876543210")
    made = await mine.responses.create(model="support", input=QUESTION)
    calls = [
        others.responses.retrieve(made.id),
        others.responses.delete(made.id),
        others.conversations.retrieve(made.conversation.id),
        others.conversations.delete(made.conversation.id),
        others.responses.create(model="support", input="And?", previous_response_id=made.id),
        others.responses.create(model="support", input="And?", conversation=made.conversation.id),
    ]
    for call in calls:
        with pytest.raises(openai.NotFoundError):
            await call
    assert (await mine.responses.retrieve(made.id)).output_text == "Press Reset."


@pytest.mark.parametrize(("field", "known"), [("previous_response_id", "resp_1"), ("conversation", "conv_1")])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_id_is_blamed_on_the_field_that_had_it(client, field, known, stream):
    """And not on a parameter of another route."""
    with pytest.raises(openai.NotFoundError) as raised:
        await client.responses.create(model="support", input=QUESTION, stream=stream, **{field: known})
    assert raised.value.param == field


class Plan(pydantic.BaseModel):
    """What the model has to fill in."""

    plan: str
    seats: int


async def test_a_response_is_parsed():
    """The client sends the model's schema."""
    api = Api(Rig([a_passage()], deltas=[delta('{"plan":"Team","seats":25}', **START), *ANSWER[2:]]))
    made = await client_of(api).responses.parse(model="support", input=QUESTION, text_format=Plan)
    assert made.output_parsed == Plan(plan="Team", seats=25)
    assert '"seats"' in (api.rig.generator.requests[0].sampling.json_schema or "")
    assert made.text.format.name == "Plan"


async def test_without_documents_there_is_a_refusal():
    """The client does not try to parse it, when it is read again neither."""
    client = client_of(Api(Rig()))
    made = await client.responses.parse(model="support", input=QUESTION, text_format=Plan)
    assert made.output_parsed is None
    read = await client.responses.retrieve(made.id)
    for response in (made, read):
        assert [part.refusal for part in response.output[0].content] == ["I don't know."]


async def test_errors_are_the_clients_own(api, client):
    """Each with its code and the invalid field."""
    create = client.responses.create
    with pytest.raises(openai.NotFoundError) as missing:
        await create(model="gpt-9", input=QUESTION)
    assert missing.value.code == "model_not_found"
    refused: list[tuple[str, dict[str, object]]] = [
        ("max_output_tokens", {"max_output_tokens": 10**6}),
        ("input", {"input": []}),
        ("input", {"input": [{"role": "assistant", "content": "Hi"}]}),
        ("input", {"input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "He"}]}),
        ("input", {"input": "x" * 9_000}),
        ("input", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        ("tools", {"tools": [{"type": "web_search"}]}),
        ("background", {"background": True}),
    ]
    for param, fields in refused:
        with pytest.raises(openai.BadRequestError) as wrong:
            await create(**{"model": "support", "input": QUESTION, **fields})
        assert wrong.value.param == param
    with pytest.raises(openai.BadRequestError, match="not both"):
        await create(model="support", input="x", conversation="conv_1", previous_response_id="resp_1")
    api.rig.generator.fault = EngineUnavailable("the replica died")
    with pytest.raises(openai.APIError, match="the replica died") as broken:
        async for _ in await create(model="support", input=QUESTION, stream=True):
            pass
    assert broken.value.code == "engine_unavailable"


async def test_a_native_answer_is_a_response_too(api, client):
    """Its turn is in the conversation, and both kinds of routes continue it."""
    begun = await client.conversations.create()
    body = {"query": QUESTION, "conversation_id": begun.id}
    answer = (await api.http.post("/v1/support/answer", json=body)).json()
    turn_id = answer["conversation"]["turn_id"]
    assert (await client.responses.retrieve(turn_id)).output_text == "Press Reset."
    await client.responses.create(model="support", input="And then?", conversation=begun.id)
    answer = (await api.http.post("/v1/support/answer", json=body)).json()
    assert len(answer["conversation"]["turn_tokens"]) == 2
    sent = texts_sent(api)
    assert all(later.startswith(earlier) for earlier, later in pairwise(sent))

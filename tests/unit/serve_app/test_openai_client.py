"""The official `openai` package against the API."""

from dataclasses import replace

import httpx2
import openai
import pydantic
import pytest

from deployments.core.conversations import segment_digest
from deployments.core.errors import EngineUnavailable
from deployments.core.token_ids import from_bytes
from tests.fakes import a_passage
from tests.unit.rag.rig import ANSWER, Rig, delta
from tests.unit.serve_app.fake_services import Api

START = {"kv_cached_tokens": 32, "queue_ms": 0.5, "prefill_ms": 20.0}
MESSAGES = [{"role": "user", "content": "How do I reset it?"}]


def client_of(api, key="not needed"):
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(api.app), base_url="http://localhost")
    return openai.AsyncOpenAI(base_url="http://localhost/v1", api_key=key, http_client=http, max_retries=0)


@pytest.fixture
def client(api):
    """A client of the open API."""
    return client_of(api)


async def test_the_agents_are_the_models(api, client):
    """Listed in order, and each one by its name."""
    agents = dict.fromkeys(("support", "business", "documentation"), api.support)
    api.app.state.services = replace(api.app.state.services, agents=agents)
    found = await client.models.list()
    assert [model.id for model in found.data] == ["support", "business", "documentation"]
    retrieved = await client.models.retrieve("business")
    assert (retrieved.object, retrieved.owned_by) == ("model", "warmline")
    assert retrieved.created > 1_700_000_000


async def test_a_chat_and_its_continuation(api, client):
    """The answer's message is sent back unchanged."""
    first = await client.chat.completions.create(model="support", messages=MESSAGES, temperature=0)
    message = first.choices[0].message
    assert (message.role, message.content) == ("assistant", "Press Reset.")
    assert first.usage.prompt_tokens_details.cached_tokens == 32
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    assert first.warmline["cache_hit"] is True
    api.rig.generator.requests.clear()
    await client.chat.completions.create(
        model="support", messages=[*MESSAGES, message, {"role": "user", "content": "And then?"}]
    )
    assert "Press Reset.<|im_end|>\n<|im_start|>user\nAnd then?" in api.rig.prompt_sent()


async def test_a_stored_chat_is_continued_by_telling_it(api, client):
    """The second prompt begins with the first one and its answer; the documents are not told again."""
    api.rig.conversations.segments = {
        segment_digest(one.segment): one.segment for one in api.rig.retriever.passages
    }
    first = await client.chat.completions.create(model="support", messages=MESSAGES, store=True, user="ann")
    told = [*MESSAGES, first.choices[0].message, {"role": "user", "content": "And then?"}]
    second = await client.chat.completions.create(model="support", messages=told, store=True, user="ann")
    before, after = (
        api.rig.encoder.decode(from_bytes(request.prompt)) for request in api.rig.generator.requests
    )
    assert after.startswith(before + "Press Reset.")
    use = second.warmline["conversation"]
    assert (use["conversation_id"], len(use["turn_tokens"])) == (
        first.warmline["conversation"]["conversation_id"],
        1,
    )
    (owner,) = {made.user_id for made in api.rig.conversations.conversations.values()}
    assert owner == "ann"


async def test_a_stream(client):
    """Text, finish reason, usage and ledger."""
    stream = await client.chat.completions.create(
        model="support", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "Press Reset."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 32
    assert chunks[-1].warmline["request_id"] == chunks[0].id


async def test_the_ids_that_were_served(client):
    """With vLLM's request field."""
    answer = await client.chat.completions.create(
        model="support", messages=MESSAGES, extra_body={"return_token_ids": True}
    )
    assert len(answer.prompt_token_ids) == answer.usage.prompt_tokens
    assert len(answer.choices[0].token_ids) == answer.usage.completion_tokens


class Plan(pydantic.BaseModel):
    """What the model has to fill in."""

    plan: str
    seats: int


async def test_an_answer_is_parsed():
    """The client sends the model's schema."""
    api = Api(Rig([a_passage()], deltas=[delta('{"plan":"Team","seats":25}', **START), *ANSWER[2:]]))
    answer = await client_of(api).chat.completions.parse(
        model="support", messages=MESSAGES, response_format=Plan
    )
    assert answer.choices[0].message.parsed == Plan(plan="Team", seats=25)
    assert '"seats"' in (api.rig.generator.requests[0].sampling.json_schema or "")


async def test_without_documents_there_is_a_refusal():
    """The client does not try to parse it."""
    answer = await client_of(Api(Rig())).chat.completions.parse(
        model="support", messages=MESSAGES, response_format=Plan
    )
    message = answer.choices[0].message
    assert (message.parsed, message.refusal) == (None, "I don't know.")


async def test_errors_are_the_clients_own(api, client):
    """Each with its code and the invalid field."""
    create = client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as missing:
        await create(model="gpt-9", messages=MESSAGES)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as refused:
        await create(model="support", messages=MESSAGES, n=5)
    assert refused.value.param == "n"
    with pytest.raises(openai.AuthenticationError):
        await client_of(Api(api_keys="0123456789abcdef=acme"), "wrong").models.list()
    api.rig.generator.fault = EngineUnavailable("the replica died")
    with pytest.raises(openai.APIError, match="the replica died") as broken:
        async for _ in await create(model="support", messages=MESSAGES, stream=True):
            pass
    assert broken.value.code == "engine_unavailable"


async def test_clients_that_know_nothing_still_get_an_answer():
    """If no passage is found, they get an answer with a usage of 0."""
    answer = await client_of(Api(Rig())).chat.completions.create(model="support", messages=MESSAGES)
    assert "I don't know" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens == 0

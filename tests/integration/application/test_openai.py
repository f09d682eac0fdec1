"""The official `openai` package against the running application."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import openai
import pytest

from deployments.agents.specs import AGENTS
from deployments.token_cache.encoder import BundleEncoder
from tests.integration.application.running import Application

TENANT = "chat-inc"
QUESTION = "Where are lost keys of bicycles replaced?"
ARTICLE = (
    "Lost keys of bicycles are replaced at the green kiosk by the river. " + "Bring the frame number. " * 30
)


@pytest.fixture
def client(application: Application) -> Iterator[openai.OpenAI]:
    """A client of a tenant with one article, so that no other test changes what a prompt is made of."""
    application.put("bicycle-keys", ARTICLE, TENANT)
    with openai.OpenAI(
        base_url=f"{application.http.base_url}/v1",
        api_key="any, where none are configured",
        default_headers={"x-business-id": TENANT},
        max_retries=0,
    ) as client:
        yield client


def test_a_chat_with_a_model_that_is_listed(client: openai.OpenAI) -> None:
    """The agents are the models. A chat's usage agrees with its ledger."""
    assert [model.id for model in client.models.list().data] == [spec.name for spec in AGENTS]
    answer = client.chat.completions.create(
        model="support",
        messages=[{"role": "user", "content": QUESTION}],
        max_completion_tokens=8,
        temperature=0,
    )
    reuse = answer.model_extra["warmline"]["reuse"] if answer.model_extra else {}
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == reuse["prompt_tokens"] > 0
    details = answer.usage.prompt_tokens_details
    assert details is not None
    assert details.cached_tokens == reuse["kv_cached_tokens"]


def test_a_conversation_streams_after_the_documents(
    application: Application, client: openai.OpenAI, encoder: BundleEncoder
) -> None:
    """Instructions and history leave the documents' prefix as it was, so the engine finds it again."""
    alone = application.ask(QUESTION, TENANT)["prompt_token_ids"]
    stream = client.chat.completions.create(
        model="support",
        messages=[
            {"role": "system", "content": "Answer in one short sentence."},
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "How can I help?"},
            {"role": "user", "content": QUESTION},
        ],
        max_completion_tokens=8,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"return_token_ids": True},
    )
    chunks = [chunk.model_dump() for chunk in stream]
    prompt = chunks[0]["prompt_token_ids"]
    shared = next(n for n, (one, other) in enumerate(zip(alone, prompt, strict=False)) if one != other)
    assert "### " in encoder.decode(array("I", prompt[:shared]))
    assert "How can I help?" in encoder.decode(array("I", prompt[shared:]))
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] > 0.5 * shared
    ids = [i for chunk in chunks[:-1] for i in chunk["choices"][0].get("token_ids") or []]
    assert len(ids) == chunks[-1]["usage"]["completion_tokens"] <= 8
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1])
    assert text.strip() in encoder.decode(array("I", ids))


def test_the_ids_are_the_ones_that_were_served(application: Application, client: openai.OpenAI) -> None:
    """Those of the agent's own API for the same question, and as many as the ledger counts."""
    answer = client.chat.completions.create(
        model="support",
        messages=[{"role": "user", "content": QUESTION}],
        max_completion_tokens=8,
        temperature=0,
        extra_body={"return_token_ids": True},
    ).model_dump()
    assert answer["prompt_token_ids"] == application.ask(QUESTION, TENANT)["prompt_token_ids"]
    assert len(answer["prompt_token_ids"]) == answer["warmline"]["reuse"]["prompt_tokens"]
    assert len(answer["choices"][0]["token_ids"]) == answer["usage"]["completion_tokens"]

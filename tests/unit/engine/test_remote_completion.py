"""What is sent to a vLLM server, and what its events become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.sampling import Sampling, Shaping
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.coalescing import merged
from deployments.engine.remote.completion import UNCOUNTED, AnswerReader, body_of
from deployments.engine.remote.http_link import ServerFault
from tests.fakes import FakeClock

PROMPT = [5, 6, 7, 8]
ANSWER = st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=3), min_size=1, max_size=6)


def request(prompt: list[int] = PROMPT, max_tokens: int = 20, **more: Any) -> GenerateRequest:
    sampling = Sampling(max_tokens, 0.5, **more)
    return GenerateRequest(RequestId("r"), to_bytes(token_ids(prompt)), sampling, "salt", 9.0, priority=7)


def choice(*ids: int, text: str = "", first: bool = False, finish: str | None = None) -> bytes:
    found: dict[str, Any] = {"index": 0, "text": text, "token_ids": list(ids), "finish_reason": finish}
    return json.dumps({"choices": [found | ({"prompt_token_ids": PROMPT} if first else {})]}).encode()


def usage(cached: int | None = 2, prompt: int = len(PROMPT)) -> bytes:
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return json.dumps({"choices": [], "usage": {"prompt_tokens": prompt} | details}).encode()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1), st.integers(1, 999), st.sampled_from(["{}", None]))
def test_every_parameter_is_sent(prompt: list[int], max_tokens: int, schema: str | None) -> None:
    """A server takes its model's own defaults for what is missing."""
    shaping = Shaping(3, 0.1, 1.1, 0.2, 0.3)
    asked = request(prompt, max_tokens, top_p=0.9, seed=4, stop=("x",), json_schema=schema, shaping=shaping)
    body = json.loads(body_of(asked, "served"))
    assert body.pop("request_id").startswith("r-")
    assert body.pop("structured_outputs", None) == (None if schema is None else {"json": schema})
    assert body == {
        "model": "served",
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 4,
        "stop": ["x"],
        "ignore_eos": False,
        "top_k": 3,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "cache_salt": "salt",
        "priority": 7,
        "return_token_ids": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_two_requests_of_one_name_differ_for_the_server() -> None:
    """vLLM would abort both when one ends."""
    first, second = (json.loads(body_of(request(), "served"))["request_id"] for _ in range(2))
    assert first != second


@given(ANSWER, st.integers(0, len(PROMPT)))
def test_the_deltas_have_all_ids_and_one_end(parts: list[list[int]], cached: int) -> None:
    """The last delta waits for the usage, and has the number of cached tokens."""
    clock = FakeClock()
    reader = AnswerReader(request(), clock)
    deltas: list[Delta] = []
    for number, ids in enumerate(parts):
        clock.pass_s(0.5)
        finish = "stop" if number == len(parts) - 1 else None
        delta = reader.add(choice(*ids, text="ab", first=number == 0, finish=finish))
        assert (delta is None) == (finish is not None)
        deltas += [] if delta is None else [delta]
    before = reader.complete
    last = reader.add(usage(cached))
    assert last is not None
    assert reader.add(b"[DONE]") is None
    assert (before, reader.complete) == (False, True)
    whole = merged([*deltas, last])
    assert from_bytes(whole.ids).tolist() == [one for ids in parts for one in ids]
    assert whole.text == "ab" * len(parts)
    assert (whole.finish_reason, whole.kv_cached_tokens) == ("stop", cached)
    assert (whole.queue_ms, whole.prefill_ms, whole.decode_ms) == (0.0, 500.0, 500.0 * (len(parts) - 1))
    assert all(delta.finish_reason is None and delta.kv_cached_tokens is None for delta in deltas)


def test_an_answer_to_another_prompt_is_refused() -> None:
    """A server that adds a token to the prompt, or cuts it, would break exactness."""
    reader = AnswerReader(request([*PROMPT, 9]), FakeClock())
    with pytest.raises(EngineUnavailable):
        reader.add(choice(1, first=True))


@pytest.mark.parametrize(
    "events",
    [
        [b"{"],
        [b'{"choices": 5}'],
        [choice(-1, first=True)],
        [choice(1)],
        [b'{"choices": [{"text": "no ids"}]}'],
        [choice(*range(21), first=True)],
        [choice(1, first=True, finish="abort")],
        [choice(1, first=True), usage()],
        [choice(1, first=True, finish="stop"), choice(2)],
        [choice(1, first=True, finish="stop"), usage(-1)],
        [choice(1, first=True, finish="stop"), usage(5)],
        [choice(1, first=True, finish="stop"), usage(prompt=3)],
    ],
)
def test_events_that_contradict_the_request_are_refused(events: list[bytes]) -> None:
    """No made-up figure, and no more tokens than asked for, reach an answer."""
    reader = AnswerReader(request(), FakeClock())
    for event in events[:-1]:
        reader.add(event)
    with pytest.raises(EngineUnavailable):
        reader.add(events[-1])
    assert not reader.complete


def test_a_usage_without_cached_tokens_names_what_is_missing() -> None:
    """The check at the start tells operators which flag the server lacks."""
    reader = AnswerReader(request(), FakeClock())
    reader.add(choice(1, first=True, finish="stop"))
    with pytest.raises(EngineUnavailable, match=UNCOUNTED):
        reader.add(usage(None))


def test_an_error_within_a_stream_keeps_its_status() -> None:
    """vLLM sends it as an event, since the response has begun."""
    reader = AnswerReader(request(), FakeClock())
    with pytest.raises(ServerFault) as fault:
        reader.add(b'{"error": {"message": "no", "type": "x", "code": 429}}')
    assert fault.value.status == 429

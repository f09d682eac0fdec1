"""Other servers as arms, by URL: anything that speaks OpenAI's API and streams.

    --peer name=http://127.0.0.1:8001/v1[,send=completions|chat|question][,model=NAME][,key=KEY]

`completions` sends the whole prompt as text, `chat` its messages, documents included: for servers of a
model. `question` sends the question alone: for servers that retrieve by themselves, as this application does.
Without `send` the first that the server accepts is taken, without `model` the first that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.bench.report import Report
from tests.bench.streams import Streamed, StreamFailed, streamed
from tests.bench.summaries import percentile

SENDS = ("completions", "chat", "question")
ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Peer:
    """A server. `url` ends in `/v1`; None is still to be found out."""

    name: str
    url: str
    send: str | None = None
    model: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question in all the ways in which it can be sent."""

    question: str
    text: str
    messages: Sequence[Mapping[str, str]]


def parse(word: str) -> Peer:
    """From the command line. Raises ValueError."""
    name, _, rest = word.partition("=")
    url, *options = rest.split(",")
    fields = dict(option.partition("=")[::2] for option in options)
    if not name or not url.startswith(("http://", "https://")) or fields.keys() - {"send", "model", "key"}:
        raise ValueError(f"{word!r} is not name=URL[,send=...][,model=...][,key=...]")
    if fields.get("send", "chat") not in SENDS:
        raise ValueError(f"send must be one of {', '.join(SENDS)}")
    return Peer(name, url.rstrip("/"), **fields)


async def run(peers: Sequence[Peer], prompts: Sequence[Prompt], report: Report, rng: Random) -> None:
    """Each prompt twice at each peer, in turns."""
    seen: dict[tuple[str, str], list[Streamed]] = {}
    async with ClientSession(timeout=ClientTimeout(300)) as session:
        ready = [await _ready(session, peer, prompts[0]) for peer in peers]
        for kind in ("first", "again"):
            for prompt in prompts:
                for peer in rng.sample(ready, len(ready)):
                    seen.setdefault((peer.name, kind), []).append(await _asked(session, peer, prompt))
    sent = {peer.name: f"{peer.send}, {peer.model}" for peer in ready}
    rows = [
        {
            "peer": name,
            "sent": sent[name],
            "kind": kind,
            "n": len(answers),
            "ttft_p50_ms": round(percentile([one.ttft_ms for one in answers], 50), 1),
            "ttft_p95_ms": round(percentile([one.ttft_ms for one in answers], 95), 1),
            "total_p50_ms": round(percentile([one.total_ms for one in answers], 50), 1),
        }
        for (name, kind), answers in sorted(seen.items())
    ]
    report.table("Servers over HTTP", rows)
    report.add("peers", rows)


async def _ready(session: ClientSession, peer: Peer, prompt: Prompt) -> Peer:
    """The peer with what was left open. Raises RuntimeError where it answers to nothing."""
    try:
        async with session.get(f"{peer.url}/models", headers=_headers(peer)) as response:
            response.raise_for_status()
            names = [model["id"] for model in (await response.json())["data"]]
    except (ClientError, KeyError) as error:
        raise RuntimeError(f"{peer.name} does not name its models: {error}") from error
    said = []
    for send in (peer.send,) if peer.send else SENDS:
        ready = replace(peer, model=peer.model or names[0], send=send)
        try:
            await _asked(session, ready, replace(prompt, question="Is this thing on?"))
            return ready
        except StreamFailed as error:
            said.append(f"{send}: {error.status} {error.said[:200]}")
    raise RuntimeError(f"{peer.name} takes nothing of ours: {'; '.join(said)}")


async def _asked(session: ClientSession, peer: Peer, prompt: Prompt) -> Streamed:
    body: dict[str, Any] = {
        "model": peer.model,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
    }
    if peer.send == "completions":
        return await streamed(
            session, f"{peer.url}/completions", body | {"prompt": prompt.text}, _headers(peer)
        )
    messages = prompt.messages if peer.send == "chat" else [{"role": "user", "content": prompt.question}]
    return await streamed(
        session, f"{peer.url}/chat/completions", body | {"messages": list(messages)}, _headers(peer)
    )


def _headers(peer: Peer) -> dict[str, str]:
    return {"authorization": f"Bearer {peer.key}"} if peer.key else {}

"""A client of other servers: any that have OpenAI's API and stream.

    --peer name=http://127.0.0.1:8001/v1[,send=completions|chat|question][,model=NAME][,key=KEY]

`completions` sends the whole prompt as text and `chat` sends it as messages, documents included: for servers
of a model. `question` sends only the question: for servers that retrieve documents themselves, as this
application does. By default the first of these that the server accepts is used, and the first model that it
lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientError, ClientSession

from tests.bench.harness.streams import Streamed, StreamFailed, streamed

SENDS = ("completions", "chat", "question")
ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Peer:
    """A server. `url` ends in `/v1`. `send` and `model` are None until `resolved` finds them out."""

    name: str
    url: str
    send: str | None = None
    model: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question in each form that can be sent."""

    question: str
    text: str
    messages: Sequence[Mapping[str, str]]


def parse(word: str) -> Peer:
    """A peer as written on the command line. Raises ValueError."""
    name, _, rest = word.partition("=")
    url, *options = rest.split(",")
    fields = dict(option.partition("=")[::2] for option in options)
    if not name or not url.startswith(("http://", "https://")) or fields.keys() - {"send", "model", "key"}:
        raise ValueError(f"{word!r} is not name=URL[,send=...][,model=...][,key=...]")
    if fields.get("send", "chat") not in SENDS:
        raise ValueError(f"send must be one of {', '.join(SENDS)}")
    return Peer(name, url.rstrip("/"), **fields)


async def resolved(session: ClientSession, peer: Peer, prompt: Prompt) -> Peer:
    """The peer with `send` and `model` set. Raises RuntimeError if the server accepts no form."""
    try:
        async with session.get(f"{peer.url}/models", headers=_headers(peer)) as response:
            response.raise_for_status()
            names = [model["id"] for model in (await response.json())["data"]]
    except (ClientError, KeyError) as error:
        raise RuntimeError(f"{peer.name} does not name its models: {error}") from error
    refusals = []
    for send in (peer.send,) if peer.send else SENDS:
        candidate = replace(peer, model=peer.model or names[0], send=send)
        try:
            await ask(session, candidate, replace(prompt, question="Is this thing on?"))
            return candidate
        except StreamFailed as error:
            refusals.append(f"{send}: {error.status} {error.message[:200]}")
    raise RuntimeError(f"{peer.name} takes nothing of ours: {'; '.join(refusals)}")


async def ask(session: ClientSession, peer: Peer, prompt: Prompt) -> Streamed:
    """Sends a prompt to a resolved peer. Raises StreamFailed."""
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

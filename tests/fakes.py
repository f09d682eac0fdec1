"""Simple implementations of the ports, for tests of the logic around them."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from deployments.core.counted_use import CountBatch
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable, WarmlineError
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, SegmentKey, TenantId
from deployments.core.messages import (
    ChatScaffold,
    Delta,
    EngineInfo,
    GenerateRequest,
    ResolvedSegments,
    SegmentSource,
    Warmed,
)
from deployments.core.metrics import Kind, Metric
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds, token_ids
from tests.memory_stores import InMemoryCounterStore

FAKE_VOCAB_SIZE = 0x110000 + 16


class RecordingMeter:
    """A `Meter` that keeps what it gets, and refuses other labels than the metric has."""

    def __init__(self) -> None:
        self.values: list[tuple[Metric, float, dict[str, str]]] = []

    def record(self, metric: Metric, value: float = 1, /, **labels: str) -> None:
        assert set(labels) == set(metric.labels), metric.name
        assert all(isinstance(label, str) for label in labels.values())
        if value or metric.kind is not Kind.COUNTER:
            self.values.append((metric, value, labels))

    def of(self, metric: Metric, **labels: str) -> list[float]:
        """The values of a metric that have these labels, among others."""
        return [
            value
            for recorded, value, given in self.values
            if recorded is metric and labels.items() <= given.items()
        ]


class FakeEncoder:
    """A `TextEncoder` with one id a character: its code point. `encoded` lists what it was given."""

    CONTROLS = ("<|im_start|>", "<|im_end|>", "<tool_call>")

    def __init__(self) -> None:
        self.encoded: list[str] = []

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("fake")

    @property
    def control_ids(self) -> Mapping[str, int]:
        return {control: 0x110000 + number for number, control in enumerate(self.CONTROLS)}

    def encode_text(self, text: str) -> TokenIds:
        self.encoded.append(text)
        return token_ids(map(ord, text))

    def encode_prompt(
        self, pieces: Sequence[ScaffoldText | PlainText], known: MutableMapping[str, TokenIds] | None = None
    ) -> TokenIds:
        ids = token_ids()
        for piece in pieces:
            text = str(piece)
            if isinstance(piece, ScaffoldText):
                for number, control in enumerate(self.CONTROLS):
                    text = text.replace(control, chr(0xF0000 + number))
            shift = 0x110000 - 0xF0000
            ids.extend(ord(c) + (shift if "\U000f0000" <= c <= "\U000f0002" else 0) for c in text)
        return ids

    def decode(self, ids: TokenIds) -> str:
        return "".join(chr(i) if i < 0x110000 else self.CONTROLS[i - 0x110000] for i in ids)


SCAFFOLD = ChatScaffold(
    head="<|im_start|>system\n",
    to_user="<|im_end|>\n<|im_start|>user\n",
    to_assistant="<|im_end|>\n<|im_start|>assistant\n",
    next_user="<|im_end|>\n<|im_start|>user\n",
    to_generation="<|im_end|>\n<|im_start|>assistant\n",
)


class FakeClock:
    """A clock that only `pass_s` moves."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


def a_passage(number: int = 0, *, doc: str | None = None, body: str | None = None) -> Passage:
    """A passage of its own document, or of `doc`."""
    return Passage(
        doc_id=DocId(doc or f"doc-{number}"),
        title=f"Title of {doc or number}",
        heading="",
        section="accounts",
        version=3,
        ordinal=number,
        body=body or f"Body {number}.",
        score=1 / (number + 1),
        similarity=0.8,
    )


class FakeSalts:
    """The `Salts` of tenants, which are known without a call, or only with one while `cold` is set."""

    def __init__(self) -> None:
        self.cold = False

    def known(self, scope: Scope) -> str | None:
        return None if self.cold else f"salt of {scope.tenant}"

    async def of(self, scope: Scope) -> str:
        await asyncio.sleep(0)
        return f"salt of {scope.tenant}"


class FakeRetriever:
    """A `Retriever` that finds the first `top_k` of `passages`; each search moves `clock` by `takes_s`.

    It raises `fault` while that is set, and never answers while `hangs` is set.
    """

    def __init__(self, passages: Sequence[Passage], clock: FakeClock, takes_s: float = 0.0) -> None:
        self.passages = tuple(passages)
        self.queries: list[SearchQuery] = []
        self.fault: Exception | None = None
        self.hangs = False
        self._clock = clock
        self._takes_s = takes_s

    async def search(self, query: SearchQuery) -> Retrieval:
        self.queries.append(query)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self._clock.pass_s(self._takes_s)
        searched_as = " ".join([*query.talk, query.text])
        return Retrieval(self.passages[: query.top_k], generation=1, searched_as=searched_as)


class FakeResolver:
    """A `SegmentResolver`: the n-th segment comes from the n-th of `sources`, or the last."""

    def __init__(self, encoder: FakeEncoder, *sources: SegmentSource) -> None:
        self.sources = sources or (SegmentSource.L1,)
        self.cache_error: str | None = None
        self.cleared: list[tuple[TenantId, CollectionName | None]] = []
        self._encoder = encoder

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        count = len(texts)
        return ResolvedSegments(
            ids=tuple(self._encoder.encode_text(text) for text in texts),
            keys=tuple(self.key(text) for text in texts),
            sources=(self.sources + (self.sources[-1],) * count)[:count],
            cache_error=self.cache_error,
        )

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        self.cleared.append((tenant, collection))
        return 7

    @staticmethod
    def key(text: str) -> SegmentKey:
        return SegmentKey(sha256(text.encode()).hexdigest())


class FakeGenerator:
    """A `Generator` of the given deltas. `requests` lists its requests, `closed` counts ended streams.

    It raises `fault` after the deltas if that is set.
    """

    def __init__(self, *deltas: Delta, max_model_len: int = 8192) -> None:
        self.deltas = deltas
        self.requests: list[GenerateRequest] = []
        self.closed = 0
        self.fault: Exception | None = None
        self.described = 0
        self.max_model_len = max_model_len

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        try:
            for delta in self.deltas:
                await asyncio.sleep(0)
                yield delta
            if self.fault is not None:
                raise self.fault
        finally:
            self.closed += 1

    async def describe(self) -> EngineInfo:
        self.described += 1
        return EngineInfo("fake", self.max_model_len, block_size=32, kv_cache_tokens=10_000)


class FakeResidencySource:
    """A `ResidencySource` of the given updates for each tenant, which waits for `gate`.

    `asked` lists each tenant of each call, `surveys` counts the calls.
    """

    def __init__(self, *updates: ResidencyUpdate | None) -> None:
        self.updates: Sequence[ResidencyUpdate | None] = updates
        self.fault: WarmlineError | None = None
        self.asked: list[tuple[str, tuple[Known, ...]]] = []
        self.surveys = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def survey(
        self, known: Mapping[str, Sequence[Known]]
    ) -> Sequence[Mapping[str, ResidencyUpdate] | None]:
        self.surveys += 1
        self.asked.extend((salt, tuple(of_tenant)) for salt, of_tenant in known.items())
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [None if update is None else dict.fromkeys(known, update) for update in self.updates]


class FakeWarmer:
    """A `PromptWarmer` that lists what it warmed, or raises `fault`."""

    def __init__(self) -> None:
        self.warmed: list[Scope] = []
        self.fault: WarmlineError | None = None

    async def warm(self, scope: Scope) -> Warmed:
        if self.fault is not None:
            raise self.fault
        self.warmed.append(scope)
        return Warmed(3, 200, 100)


class FakeCounterStore(InMemoryCounterStore):
    """A `CounterStore` that waits for `gate` and fails while `down` is set. `calls` lists its calls.

    While `loses_replies` is set, it counts a batch and raises CacheUnavailable all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.loses_replies = False
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        await self._called("record")
        totals = await super().record(scope, batch)
        if self.loses_replies:
            raise CacheUnavailable("the store's reply is lost")
        return totals

    async def read(self, scope: Scope) -> dict[str, float]:
        """A scope's counters. Reading changes nothing."""
        return await super().record(scope, CountBatch("", 0, {}, {}))

    async def reset(self, scope: Scope) -> None:
        await self._called("reset")
        await super().reset(scope)

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        await self._called("popularity")
        return await super().popularity(scope)

    async def _called(self, method: str) -> None:
        self.calls.append(method)
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.down:
            raise CacheUnavailable(f"the store is down for {method}")


class FakeEmbedder:
    """An `Embedder` of word counts: texts that share words are near. `embedded` lists documents' texts.

    `name` is its fingerprint and changes its vectors. Embedding documents waits for `gate`; `waiting`
    counts the calls that wait there.
    """

    dimensions = 256

    def __init__(self, name: str = "fake") -> None:
        self.fingerprint = Fingerprint(name)
        self.embedded: list[str] = []
        self.fault: Exception | None = None
        self.waiting = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        return self._vector(text)

    async def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._matrix(texts)

    async def embed_wordings(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.embedded.extend(texts)
        return self._matrix(texts)

    async def embed_documents(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.fault is not None:
            raise self.fault
        self.embedded.extend(texts)
        return self._matrix(texts)

    def _matrix(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, self.dimensions)

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        vector = np.zeros(self.dimensions, np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            vector[zlib.crc32(f"{self.fingerprint}/{word}".encode()) % self.dimensions] += 1
        return vector / max(float(np.linalg.norm(vector)), 1e-9)

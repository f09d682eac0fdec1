"""The stages through which a prompt goes from its documents' ids to the engine, each to be run alone.

They are the application's own functions, on prompts of the sample knowledge's sentences.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Sequence
from typing import Any

from deployments.agents.specs import SUPPORT
from deployments.core.documents import Passage
from deployments.core.ids import DocId, RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.ordering import ORDERS, Candidate
from deployments.core.reuse.paths import Known, Step, ids_segment, pack_steps, segment_id, unpack_steps
from deployments.core.reuse.placing import ReplicaState, place
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.reuse.residency import Residency
from deployments.core.sampling import Sampling
from deployments.core.token_ids import TokenIds, from_bytes, join, to_bytes
from deployments.engine.config import reusable_tokens
from deployments.rag.prompt import PromptAssembler
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from tests.bench.workload.texts import Texts

DOCUMENT_TOKENS = 200
BLOCK, REPLICAS = 32, 4
SALT = "salt"


class Prompts:
    """Prompts of up to `most_tokens` for the model in a folder."""

    def __init__(self, folder: str, most_tokens: int) -> None:
        bundle = load_bundle(folder)
        self.encoder = BundleEncoder(bundle)
        self.vocab_size = bundle.vocab_size
        self.assembler = PromptAssembler(self.encoder, bundle.scaffold, SUPPORT.preamble)
        texts = Texts(count=lambda text: len(self.encoder.encode_text(text)))
        self._passages = []
        for number in range(most_tokens // DOCUMENT_TOKENS):
            text = texts.passage(number, DOCUMENT_TOKENS - 20)
            name = DocId(f"p{number}")
            self._passages.append(Passage(name, text.title, "", None, 1, 0, text.body, 1.0, None))
        self.question = texts.question((1, 2))

    def texts(self, tokens: int) -> list[str]:
        """The texts of documents for a prompt of about so many tokens."""
        return [one.segment for one in self._passages[: tokens // DOCUMENT_TOKENS]]


class Stages:
    """The stages of one prompt. Each can be run alone, any number of times."""

    def __init__(
        self, prompts: Prompts, texts: Sequence[str], ids: Sequence[TokenIds], keys: Sequence[Any]
    ) -> None:
        self._prompts, self._ids = prompts, ids
        self._candidates = [Candidate(key, len(some)) for key, some in zip(keys, ids, strict=True)]
        self._head = prompts.assembler.head
        self.ending()
        self.layout()
        self.joined()
        self.encoded()
        self.decoded()
        self.hashed()
        self._residency = Residency("one", "e", BLOCK, 10**6, time.monotonic)
        self._residency.stored(self._hashes)
        self._known: Known | None = None
        self.recorded()
        self._states = []
        for number in range(REPLICAS):
            view = ReplicaView(f"replica{number}")
            view.apply(self._residency.update_for(SALT, None, 0))
            self._states.append(ReplicaState(view, 0))

    @property
    def tokens(self) -> int:
        """The prompt's length."""
        return len(self.prompt)

    def placed(self) -> None:
        """Order and replica, where all replicas hold the whole prompt."""
        segment = ids_segment(self._head)
        place(
            self._candidates, segment, self.tokens, self._states, order=ORDERS["trie"], rng=random.Random(0)
        )

    def ending(self) -> None:
        """The ids after the documents, made twice: as an upper bound, and in the chosen order."""
        known: dict[str, TokenIds] = {}
        for notes in ("\n\nNot sure.", ""):
            self._ending = self._prompts.assembler.tail(notes, (), self._prompts.question, known=known)

    def layout(self) -> None:
        """Names and lengths of the segments, packed."""
        steps = [Step(segment_id(one.key), one.tokens) for one in self._candidates]
        self._layout = pack_steps([Step(ids_segment(self._head), len(self._head)), *steps])

    def joined(self) -> None:
        """The prompt's ids."""
        self.prompt = join([self._head, *self._ids, self._ending])

    def encoded(self) -> None:
        """The request as it crosses to the engine's replica."""
        request = GenerateRequest(
            RequestId("r"), to_bytes(self.prompt), Sampling(64, 0.0), SALT, 60.0, layout=self._layout
        )
        self._raw = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)

    def decoded(self) -> None:
        """The request as vLLM's input."""
        self.request: GenerateRequest = pickle.loads(self._raw)
        reusable_tokens(self.request)
        from_bytes(self.request.prompt).tolist()

    def hashed(self) -> None:
        """The hashes of its blocks; the replica computes them while the engine works, unless others wait."""
        self._hashes = block_hashes(from_bytes(self.request.prompt), BLOCK, SALT)

    def recorded(self) -> None:
        """The prompt in the replica's tree, before its first token is sent."""
        self._residency.served(SALT, unpack_steps(self.request.layout), self._hashes)
        update = self._residency.update_for(SALT, self._known, 0)
        self._known = Known(update.replica, update.epoch, update.version)

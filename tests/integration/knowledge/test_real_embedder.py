"""The embedded model, and search over the shipped articles with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from deployments.core.documents import DocumentDraft, SearchQuery
from deployments.core.errors import ConfigurationError
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.database.connection import Database
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.knowledge.samples import SAMPLES, read_samples
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from serve_app.setup.models import embedded_embedding_model
from tests.in_process_documents import InProcessDocuments

SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))
ARTICLES = ("refunds", "reset-forgotten-password", "lost-two-step-phone", "webhooks", "plans-and-prices")


@pytest.fixture
async def embedder() -> AsyncIterator[SentenceEmbedder]:
    embedder = await SentenceEmbedder.open(embedded_embedding_model())
    yield embedder
    embedder.close()


async def test_vectors_are_of_length_one_and_near_for_near_meanings(embedder: SentenceEmbedder) -> None:
    texts = ["I can't remember my password", "Invoices are sent every month"]
    documents = await embedder.embed_documents(texts)
    question = await embedder.embed_query("forgotten login secret")
    assert documents.shape == (2, embedder.dimensions) == (2, 384)
    assert documents.dtype == question.dtype == np.float32
    assert np.linalg.norm(documents, axis=1) == pytest.approx([1, 1], abs=1e-5)
    near, far = documents @ question
    assert near > far + 0.2


async def test_no_text_has_no_vectors(embedder: SentenceEmbedder) -> None:
    assert (await embedder.embed_documents([])).shape == (0, 384)


async def test_the_end_of_a_text_longer_than_the_model_reads_counts(embedder: SentenceEmbedder) -> None:
    filler = "The quarterly report lists income and spending of the whole company. " * 40
    without, with_end = await embedder.embed_documents(
        [filler, filler + "Penguins swim in cold water. " * 20]
    )
    question = await embedder.embed_query("Which birds swim?")
    assert with_end @ question > without @ question + 0.1


async def test_a_vector_does_not_depend_on_its_neighbours(embedder: SentenceEmbedder) -> None:
    texts = ["short", "a somewhat longer text " * 30, "word " * 700, "middle " * 9, "last"]
    together = await embedder.embed_documents(texts)
    for text, vector in zip(texts, together, strict=True):
        alone = (await embedder.embed_documents([text]))[0]
        assert alone @ vector == pytest.approx(1, abs=1e-4)


async def test_the_fingerprint_is_the_models_not_the_folders(
    embedder: SentenceEmbedder, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").symlink_to(embedded_embedding_model())
    again = await SentenceEmbedder.open(tmp_path / "elsewhere")
    assert again.fingerprint == embedder.fingerprint
    again.close()


async def test_a_missing_model_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match="none here"):
        await SentenceEmbedder.open(tmp_path / "none here")


async def test_questions_find_their_articles(embedder: SentenceEmbedder, tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/k.db")
    documents = InProcessDocuments(256, lambda text: len(text) // 4)
    service = await KnowledgeService.start(
        KnowledgeParts(database, embedder, documents, Fingerprint("quarter"))
    )
    for draft in (await read_samples(SAMPLES))["support_kb"]:
        if draft.doc_id in ARTICLES:
            await service.put(SCOPE, draft)
    asked = {
        "How do I get my money back?": "refunds",
        "I forgot my password": "reset-forgotten-password",
        "My phone with the login codes is gone": "lost-two-step-phone",
        "verify the signature of an event sent to my server": "webhooks",
        "What does Business cost per month?": "plans-and-prices",
    }
    for question, article in asked.items():
        assert (await service.search(SearchQuery(SCOPE, question, 3))).passages[0].doc_id == article
    assert (await service.search(SearchQuery(SCOPE, "Who won the football match?", 3))).passages == ()
    draft = DocumentDraft(DocId("refunds"), "", None, "text/plain", b"Now about penguins in cold water.")
    await service.put(SCOPE, draft)
    (best, *_) = (await service.search(SearchQuery(SCOPE, "Which birds swim?", 3))).passages
    assert (best.doc_id, best.version) == ("refunds", 2)
    await service.close()
    await database.close()

"""The documentation agent."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

from deployments.agents.asking import question_of
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.specs import SECTIONS
from deployments.agents.writing import document_id, writing_prompt
from deployments.core.agent_spec import AgentSpec
from deployments.core.documents import DocumentDraft
from deployments.core.errors import InvalidRequest, PromptTooLong, UnprocessableDocument
from deployments.core.ledger import Answer
from deployments.core.limits import MAX_MATERIAL_CHARS, MAX_TOPIC_CHARS
from deployments.core.messages import Ask
from deployments.core.ports import DocumentLibrary, Rag
from deployments.core.texts import check_text
from deployments.core.writing import WritingOrder, WrittenDocument


class DocumentationService(CachedAgent):
    """Answers from documentation, and writes it. Implements `Agent` and `DocumentationWriter`."""

    def __init__(self, spec: AgentSpec, rag: Rag, writer: Rag, library: DocumentLibrary) -> None:
        """`writer` has the preamble for writing; its prompts contain no documents."""
        super().__init__(spec, rag)
        self._writer = writer
        self._library = library

    async def generate_documentation(self, order: WritingOrder) -> WrittenDocument:
        """Has the model write a document from the whole source code and specifications, and stores it.

        Raises: InvalidRequest, PromptTooLong (naming the longest of the texts), UnprocessableDocument
        (the model wrote nothing), DeadlineExceeded, Unavailable.
        """
        _check_order(order)
        answer = await self._written(order)
        if not answer.text.strip():
            raise UnprocessableDocument("the model wrote nothing on this topic; nothing was stored", "topic")
        scope = self.scope(order.tenant)
        key = order.idempotency_key
        suffix = sha256(key.encode()).hexdigest() if key else uuid4().hex
        draft = DocumentDraft(
            document_id(order.topic, suffix[:12]),
            " ".join(order.topic.split()),
            order.doc_type,
            "text/markdown",
            answer.text.encode(),
        )
        await self._library.put(scope, draft)
        return WrittenDocument(await self._library.get(scope, draft.doc_id), answer)

    async def _written(self, order: WritingOrder) -> Answer:
        prompt = writing_prompt(order.topic, order.doc_type, order.source_code, order.specifications)
        ask = Ask(
            order.tenant,
            order.topic,
            order.request_id,
            max_tokens=order.max_tokens,
            temperature=order.temperature,
            deadline_s=order.deadline_s,
            spent=order.spent,
            key_id=order.key_id,
        )
        question = replace(question_of(self.spec, ask), text=prompt, passages=())
        try:
            return await self._writer.generate_with_rag(question)
        except PromptTooLong as error:
            raise PromptTooLong(
                f"source code and specifications are too long: {error.message}", _longest(order)
            ) from error


def _check_order(order: WritingOrder) -> None:
    check_text(order.topic, "topic", MAX_TOPIC_CHARS)
    if order.doc_type not in SECTIONS:
        raise InvalidRequest(f"doc_type must be one of {', '.join(SECTIONS)}", "doc_type")
    for name, text in _material(order).items():
        if len(text) > MAX_MATERIAL_CHARS:
            raise PromptTooLong(f"{name} must have at most {MAX_MATERIAL_CHARS} characters", name)
        check_text(text, name, MAX_MATERIAL_CHARS, may_be_empty=True)


def _material(order: WritingOrder) -> dict[str, str]:
    return {"source_code": order.source_code or "", "specifications": order.specifications or ""}


def _longest(order: WritingOrder) -> str:
    texts = {"max_tokens": ""} | _material(order)
    return max(texts, key=lambda name: len(texts[name]))

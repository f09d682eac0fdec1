"""Business memory in a dict, and an engine that writes ideas."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, replace
from typing import Any

from deployments.agents.business import BusinessService
from deployments.agents.idea_attempts import AttemptParts
from deployments.agents.idea_generation import IdeaGenerator
from deployments.agents.specs import BUSINESS
from deployments.agents.template_retriever import TemplateRetriever
from deployments.core.documents import Passage, Retrieval
from deployments.core.errors import NotFound
from deployments.core.ids import DocId, RequestId, Scope, TenantId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.records.ideas import (
    Evidence,
    EvidenceQuery,
    IdeaDraft,
    IdeaRequest,
    IdeaText,
    KnownIdea,
    StoredIdea,
    TemplateFact,
    TypeSummary,
)
from deployments.core.records.templates import BusinessType, Template, TemplateDraft, TemplateQuery
from deployments.core.token_ids import to_bytes, token_ids
from deployments.core.words import words_of
from deployments.records.template_document import document_of, idea_text, template_text
from tests.fakes import FakeClock, FakeGenerator
from tests.unit.rag.rig import Rig

SAAS = BusinessType("saas")
ACME = TenantId("acme")


def a_template(name: str = "Alpha planner", score: float = 0.9, **changes: Any) -> TemplateDraft:
    """A template with all parts of an idea."""
    data = {
        "name": name,
        "summary": f"{name} plans shifts for small clinics.",
        "target_audience": "Head nurses",
        "monetization_model": "$79 a month",
        "mvp_features": ["Import", "Rule check", "Swaps"],
        "tech_stack": ["Django", "PostgreSQL"],
    }
    values = {"business_type": SAAS, "template_data": data, "success_metrics": {"success_score": score}}
    return TemplateDraft(**(values | changes))


def an_idea(number: int = 0, **changes: Any) -> IdeaText:
    """An idea that shares no word with an idea of another `number`."""
    text = IdeaText(
        name=f"Idea{number} name{number}",
        description=" ".join(f"word{number}x{n}" for n in range(8)),
        target_audience=f"People{number}",
        monetization_model=f"Fee{number}",
        mvp_features=tuple(f"feature{number}x{n}" for n in range(3)),
        tech_stack=(f"stack{number}a", f"stack{number}b"),
    )
    return replace(text, **changes)


def written(text: IdeaText) -> str:
    """The text of an idea as the model writes it: JSON."""
    return json.dumps(asdict(text))


class IdeaEngine(FakeGenerator):
    """A `Generator` that writes the next of `answers`, and then one new idea after another.

    An answer is a text, or an error to raise.
    """

    def __init__(self, *answers: str | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.finish_reason = "stop"

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        number = len(self.requests)
        answer = self.answers[number - 1] if number <= len(self.answers) else written(an_idea(1000 + number))
        if isinstance(answer, Exception):
            raise answer
        ids = to_bytes(token_ids(map(ord, answer)))
        yield Delta(answer, ids, self.finish_reason, 0, 0.1, 1.0, 2.0)


def similarity(one: str, other: str) -> float:
    """The words that both texts have, as a share (0 to 1) of all their words."""
    first, second = (set(words_of(text.casefold())) for text in (one, other))
    return len(first & second) / max(len(first | second), 1)


class FakeBusinessMemory:
    """A `BusinessMemory` and `PassageReader`. Raises `fault` while that is set; `calls` lists calls."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.templates: dict[tuple[TenantId, str], Template] = {}
        self.ideas: dict[tuple[TenantId, str], StoredIdea] = {}
        self.fault: Exception | None = None
        self.calls: list[str] = []
        self._clock = clock or FakeClock()

    async def add_template(
        self, tenant: TenantId, draft: TemplateDraft, idempotency_key: str | None
    ) -> Template:
        return await self.put_template(tenant, f"template-{idempotency_key or len(self.templates)}", draft)

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        self._called("put_template")
        old = self.templates.get((tenant, template_id))
        if old is not None and old.draft == draft:
            return old
        now_s, version = self._clock(), old.version + 1 if old else 1
        created_at_s = old.created_at_s if old else now_s
        new = Template(tenant, template_id, draft, version, created_at_s, now_s)
        self.templates[tenant, template_id] = new
        return new

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        self._called("get_template")
        if (tenant, template_id) not in self.templates:
            raise NotFound(f"there is no business template {template_id}", "template_id")
        return self.templates[tenant, template_id]

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        await self.get_template(tenant, template_id)
        del self.templates[tenant, template_id]

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        self._called("recall_templates")
        found = [
            template
            for template in self._of(query.tenant)
            if query.business_type in {None, template.draft.business_type}
            and template.draft.success_score >= query.min_success_score
            and (query.user_id is None or template.draft.user_id in {None, query.user_id})
        ]
        return tuple(sorted(found, key=lambda t: -t.draft.success_score)[: query.top_k])

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        self._called("type_summaries")
        kinds = sorted({template.draft.business_type for template in self._of(tenant)})
        summaries = []
        for kind in kinds:
            scores = [t.draft.success_score for t in self._of(tenant) if t.draft.business_type == kind]
            summaries.append(TypeSummary(kind, len(scores), sum(scores) / len(scores)))
        return tuple(summaries)

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        self._called("evidence" if query.use_memory else "evidence without memory")
        own = idea_text(query.text)
        others = tuple(similarity(own, idea_text(other)) for other in query.others)
        if not query.use_memory:
            return Evidence(others=others)
        facts = tuple(
            TemplateFact(
                template.template_id,
                template.draft.name,
                template.draft.business_type,
                template.draft.success_metrics,
                template.updated_at_s,
                similarity(own, template_text(template.draft)),
            )
            for template in self._of(query.tenant)
        )
        known = [stored for (tenant, _), stored in self.ideas.items() if tenant == query.tenant]
        near = [
            KnownIdea(s.idea_id, s.draft.idea.text.name, similarity(own, idea_text(s.draft.idea.text)))
            for s in known
        ]
        nearest = max(near, key=lambda idea: idea.similarity, default=None)
        return Evidence(facts, len(known), nearest, others)

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, idempotency_key: str | None) -> StoredIdea:
        self._called("put_idea")
        idea_id = f"idea-{idempotency_key or f'{len(self.ideas):08}'}"
        return self.ideas.setdefault((tenant, idea_id), StoredIdea(idea_id, draft))

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        self._called("get_idea")
        if (tenant, idea_id) not in self.ideas:
            raise NotFound(f"there is no idea {idea_id}", "idea_id")
        return self.ideas[tenant, idea_id]

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        self._called("list_ideas")
        ids = sorted((id_ for owner, id_ in self.ideas if owner == tenant), reverse=True)
        wanted = [id_ for id_ in ids if after is None or id_ < after][:limit]
        return tuple(self.ideas[tenant, id_] for id_ in wanted)

    async def passages_of(self, scope: Scope, doc_ids: Sequence[DocId]) -> Retrieval:
        self._called("passages_of")
        found = [
            self.templates[scope.tenant, id_] for id_ in doc_ids if (scope.tenant, id_) in self.templates
        ]
        return Retrieval(tuple(_passage(template) for template in found), len(self.templates))

    def _of(self, tenant: TenantId) -> list[Template]:
        return [template for (owner, _), template in self.templates.items() if owner == tenant]

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fault is not None:
            raise self.fault


def _passage(template: Template) -> Passage:
    document = document_of(template)
    return Passage(
        document.doc_id,
        document.title,
        "",
        document.section,
        template.version,
        0,
        document.raw.decode(),
        0.0,
        None,
    )


class BusinessRig:
    """The business agent's `service` over fakes, and the fakes."""

    def __init__(
        self, *answers: str | Exception, memory: Any = None, passages: Sequence[Passage] = ()
    ) -> None:
        self.clock = FakeClock()
        self.memory = memory or FakeBusinessMemory(self.clock)
        self.rig = Rig(passages, spec=BUSINESS)
        self.engine = IdeaEngine(*answers)
        parts = self.rig.rag._parts
        retriever = TemplateRetriever(self.rig.retriever, self.memory, self.memory)
        self.rag = type(self.rig.rag)(BUSINESS, replace(parts, retriever=retriever, generator=self.engine))
        attempts = AttemptParts(self.rag, self.memory, self.clock, self.clock)
        self.service = BusinessService(BUSINESS, self.rag, IdeaGenerator(BUSINESS, attempts, self.memory))

    def prompt(self, number: int = -1) -> str:
        """The text of a prompt that the engine was given."""
        ids = token_ids()
        ids.frombytes(self.engine.requests[number].prompt)
        return self.rig.encoder.decode(ids)


def wanted(**changes: Any) -> IdeaRequest:
    """Any idea of the type that is good enough as it is."""
    request = IdeaRequest(ACME, RequestId("req"), business_type=SAAS, min_revenue_score=0.0)
    return replace(request, **changes)


async def with_templates(rig: BusinessRig, *scores: float) -> BusinessRig:
    for number, score in enumerate(scores):
        name = f"Template{number} of {score:g}"
        draft = a_template(name, score)
        data = dict(draft.template_data) | {
            "summary": f"Business{number} sells thing{number} to many people."
        }
        await rig.memory.put_template(ACME, f"t{number}", replace(draft, template_data=data))
    return rig


def like(number: int, name: str) -> str:
    """An idea that shares most words with a template of `with_templates`."""
    return written(
        an_idea(
            name=name,
            description=f"Business{number} sells thing{number} to many people.",
            target_audience="Head nurses",
            monetization_model="$79 a month",
            mvp_features=("Import", "Rule check", "Swaps"),
            tech_stack=("Django", "PostgreSQL"),
        )
    )

"""The documentation agent over fakes: looks up by section, writes from what it is given."""

import pytest

from deployments.agents.documentation import DocumentationService
from deployments.agents.specs import DOCUMENTATION, DOCUMENTATION_WRITER
from deployments.core.errors import (
    InvalidRequest,
    PromptTooLong,
    UnprocessableDocument,
)
from deployments.core.ids import RequestId, Scope, TenantId
from deployments.core.limits import MAX_MATERIAL_CHARS
from deployments.core.messages import Ask
from deployments.core.writing import WritingOrder
from tests.fake_library import FakeLibrary
from tests.fakes import SCAFFOLD, a_passage
from tests.unit.rag.rig import Rig, delta

ACME = TenantId("acme")
SCOPE = Scope(ACME, DOCUMENTATION.collection)
SOURCE = "def grüß(name):\n    return '<|im_end|>' + name"


class Desk:
    """The agent as `service`, and what it works with."""

    def __init__(self, *deltas, max_model_len=8192):
        self.reading = Rig([a_passage(n) for n in range(3)], spec=DOCUMENTATION)
        said = deltas or (delta("# Greeting\n\n"), delta("Call `grüß`.", finish_reason="stop"))
        self.writing = Rig(spec=DOCUMENTATION_WRITER, deltas=said, max_model_len=max_model_len)
        self.library = FakeLibrary()
        self.service = DocumentationService(DOCUMENTATION, self.reading.rag, self.writing.rag, self.library)

    async def write(self, **order):
        request = {"tenant": ACME, "topic": "Greeting people", "request_id": RequestId("req-1")}
        return await self.service.generate_documentation(WritingOrder(**(request | order)))


@pytest.fixture
def desk():
    return Desk()


def ask(**changes):
    return Ask(ACME, "How do I authenticate?", RequestId("req-1"), **changes)


@pytest.mark.parametrize("section", [None, "api", "guide", "tutorial", "reference"])
async def test_a_lookup_searches_its_section_only(desk, section):
    """The filter is the search's, so that `top_k` passages of that section come back."""
    answer = await desk.service.answer(ask(section=section))
    assert (answer.text, answer.reuse.segments) == ("Press Reset.", 3)
    (query,) = desk.reading.retriever.queries
    assert (query.section, query.scope) == (section, SCOPE)


@pytest.mark.parametrize("section", ["", "API", "faq"])
async def test_an_unknown_section_is_refused_by_name(desk, section):
    """In whatever form the question is asked."""
    for call in (desk.service.answer, desk.service.stream):
        with pytest.raises(InvalidRequest, match="api, guide, tutorial, reference") as refused:
            await call(ask(section=section))
        assert refused.value.param == "section"
    assert desk.reading.retriever.queries == []


async def test_a_document_is_written_from_what_was_given_and_stored(desk):
    """The material is in the prompt, whole and as plain text; nothing is searched for."""
    written = await desk.write(doc_type="api", source_code=SOURCE, specifications="Always polite.")
    assert desk.writing.prompt_sent() == (
        f"{SCAFFOLD.head}{DOCUMENTATION_WRITER.preamble}{SCAFFOLD.to_user}"
        f"### Source code\n{SOURCE}\n\n### Specifications\nAlways polite.\n\n"
        "Write an API description: endpoints or functions with their parameters, results and errors.\n"
        f"Topic: Greeting people{SCAFFOLD.to_generation}"
    )
    ids = memoryview(desk.writing.generator.requests[0].prompt).cast("I").tolist()
    assert sum(number >= 0x110000 for number in ids) == 5  # the scaffold's own controls and no other
    assert desk.writing.retriever.queries == desk.reading.retriever.queries == []
    document = written.document
    assert (document.title, document.section, document.version) == ("Greeting people", "api", 1)
    assert document.content == written.answer.text == "# Greeting\n\nCall `grüß`."
    assert document.doc_id.startswith("greeting-people-")
    assert await desk.library.get(SCOPE, document.doc_id) == document
    assert (written.answer.answer_tokens, written.answer.finish_reason) == (24, "stop")
    assert written.answer.reuse.answer == "generated"


async def test_documents_of_one_topic_are_different_documents(desk):
    """Unless they are one order, given twice."""
    ids = [(await desk.write(idempotency_key=key)).document.doc_id for key in (None, None, "a", "b", "a")]
    assert len(set(ids[:4])) == 4
    assert ids[4] == ids[2]


async def test_the_agents_own_figures_are_the_defaults_for_writing(desk):
    """A caller's win, zero included."""
    await desk.write()
    await desk.write(max_tokens=7, temperature=0.0)
    sampled = [(r.sampling.max_tokens, r.sampling.temperature) for r in desk.writing.generator.requests]
    assert sampled == [(1000, 0.3), (7, 0.0)]


@pytest.mark.parametrize(
    ("param", "order"),
    [
        ("topic", {"topic": " \n"}),
        ("topic", {"topic": "x" * 201}),
        ("topic", {"topic": "a\0"}),
        ("doc_type", {"doc_type": "novel"}),
        ("source_code", {"source_code": "\ud800"}),
        ("source_code", {"source_code": "x" * (MAX_MATERIAL_CHARS + 1)}),
        ("specifications", {"specifications": "a\0"}),
        ("max_tokens", {"max_tokens": 0}),
        ("temperature", {"temperature": 9.0}),
        ("business_id", {"tenant": "a/b"}),
    ],
)
async def test_an_order_that_cannot_be_is_refused_by_name(desk, param, order):
    """Before the model is asked."""
    with pytest.raises(InvalidRequest) as refused:
        await desk.write(**order)
    assert refused.value.param == param
    assert desk.writing.generator.requests == []


@pytest.mark.parametrize(
    ("param", "order"),
    [
        ("source_code", {"source_code": "x" * 3000, "specifications": "y" * 10}),
        ("specifications", {"source_code": "x" * 10, "specifications": "y" * 3000}),
        ("max_tokens", {"max_tokens": 2000}),
    ],
)
async def test_material_is_never_cut_but_refused(param, order):
    """By the name of the text that is too long; nothing is generated or stored."""
    desk = Desk(max_model_len=2000)
    with pytest.raises(PromptTooLong) as refused:
        await desk.write(**({"max_tokens": 100} | order))
    assert refused.value.param == param
    assert desk.writing.generator.requests == []
    assert desk.library.drafts == []


async def test_a_model_that_writes_nothing_leaves_no_document():
    """An empty document is not stored."""
    desk = Desk(delta(" \n", finish_reason="stop"))
    with pytest.raises(UnprocessableDocument):
        await desk.write()
    assert desk.library.drafts == []


async def test_a_text_that_was_cut_off_says_so():
    """It is stored nevertheless; the answer's finish reason is "length"."""
    desk = Desk(delta("# Gree", finish_reason="length"))
    assert (await desk.write()).answer.finish_reason == "length"

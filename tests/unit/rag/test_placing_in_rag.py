"""Sending a prompt: to which replica, in which order of documents, and what happens when it dies."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from deployments.core.errors import EngineUnavailable, Overloaded, WarmlineError
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.reuse.ordering import ORDERS
from deployments.core.reuse.paths import (
    ROOT,
    Change,
    ResidencyUpdate,
    Step,
    ids_segment,
    node_id,
    pack_changes,
    segment_id,
    unpack_steps,
)
from deployments.core.token_ids import TokenIds
from deployments.rag.engine_views import EngineViews
from deployments.rag.placer import Placer
from deployments.rag.prompt import PromptAssembler
from tests.fakes import SCAFFOLD, FakeResolver, a_passage
from tests.unit.rag.rig import ANSWER, SPEC, Rig, delta, question

PASSAGES = {
    name: a_passage(n, doc=name, body=body)
    for n, (name, body) in enumerate({"a": "alpha", "b": "beta", "c": "gamma"}.items())
}


class Dying:
    """A `Generator` whose first `times` calls fail, each after the deltas `before`.

    They raise `fault`, or without one an EngineUnavailable that names `replica`.
    """

    def __init__(
        self,
        rig: Rig,
        times: int,
        before: tuple[Delta, ...] = (),
        replica: str | None = None,
        fault: WarmlineError | None = None,
    ) -> None:
        self._rig = rig
        self._times = times
        self._before = before
        self._fault = fault or EngineUnavailable("its replica died", None, replica)
        self.requests: list[GenerateRequest] = []

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        if len(self.requests) <= self._times:
            for one in self._before:
                yield one
            raise self._fault
        for one in ANSWER:
            yield one

    describe = property(lambda self: self._rig.generator.describe)


def rig_with(*updates: ResidencyUpdate) -> Rig:
    rig = Rig(list(PASSAGES.values()))
    rig.replicas.updates = updates
    views = EngineViews(rig.replicas, rig.clock)
    rig.use(placer=Placer(ORDERS["trie"], views))
    return rig


def head_of(rig: Rig) -> TokenIds:
    return PromptAssembler(rig.encoder, SCAFFOLD, SPEC.preamble).head


def resident(rig: Rig, replica: str, *doc_ids: str, pending: int = 0) -> ResidencyUpdate:
    """The report of a replica that holds these documents after the preamble, in this order."""
    head = ids_segment(head_of(rig))
    node, tokens = node_id(ROOT, head), 100
    changes = [Change(node, ROOT, head, tokens)]
    for key in (FakeResolver.key(PASSAGES[doc_id].segment) for doc_id in doc_ids):
        child, tokens = node_id(node, segment_id(key)), tokens + 100
        changes.append(Change(child, node, segment_id(key), tokens))
        node = child
    return ResidencyUpdate(replica, "e", None, len(changes), pack_changes(changes), pending)


async def test_documents_come_in_the_order_that_is_resident_and_go_to_that_replica() -> None:
    rig = rig_with()
    rig.replicas.updates = [resident(rig, "one"), resident(rig, "two", "c", "a")]
    answer = await rig.answer()
    sent = rig.prompt_sent()
    assert sent.index("gamma") < sent.index("alpha") < sent.index("beta")
    assert rig.generator.requests[0].replicas == ("two", "one")
    assert answer.reuse.order == "trie"
    assert "Most relevant" not in sent


async def test_the_model_can_be_told_what_is_most_relevant() -> None:
    rig = rig_with()
    rig.replicas.updates = [resident(rig, "two", "c", "a")]
    rig.use(rank_hint=True)
    await rig.answer()
    assert "Most relevant first: Title of a; Title of b; Title of c." in rig.prompt_sent()


async def test_the_best_document_can_be_placed_next_to_the_question() -> None:
    rig = rig_with()
    rig.use(placer=Placer(ORDERS["best_last"], EngineViews(rig.replicas, rig.clock)))
    rig.replicas.updates = [resident(rig, "one"), resident(rig, "two", "c", "a")]
    answer = await rig.answer()
    sent = rig.prompt_sent()
    assert sent.index("gamma") < sent.index("beta") < sent.index("alpha")
    assert rig.generator.requests[0].replicas == ("two", "one")
    assert answer.reuse.order == "best_last"


async def test_the_layout_names_the_prompts_segments_and_their_tokens() -> None:
    rig = rig_with()
    await rig.answer()
    (request,) = rig.generator.requests
    steps = unpack_steps(request.layout)
    head = head_of(rig)
    assert steps[0] == Step(ids_segment(head), len(head))
    assert [step.tokens for step in steps[1:]] == [len(PASSAGES[name].segment) for name in "abc"]


async def test_what_a_replica_reports_with_an_answer_decides_about_the_next_one() -> None:
    rig = rig_with()
    report = resident(rig, "one", "b")
    rig.generator.deltas = (delta("x", residency=report, finish_reason="stop"),)  # type: ignore[arg-type]
    await rig.answer()
    await rig.answer(question("Another one?"))
    first, second = rig.generator.requests
    assert first.replicas == ()
    assert second.replicas == ("one",)
    assert [(known.replica, known.version) for known in second.known] == [("one", report.version)]


async def test_a_prompt_whose_replica_dies_is_ordered_again_for_another() -> None:
    rig = rig_with()
    rig.replicas.updates = [resident(rig, "one", "c"), resident(rig, "two", "b", pending=1)]
    dying = Dying(rig, times=1)
    rig.use(generator=dying, placer=Placer(ORDERS["trie"], EngineViews(rig.replicas, rig.clock)))
    rig.replicas.updates = [resident(rig, "one", "c")]
    answer = await rig.answer()
    first, second = dying.requests
    assert first.request_id != second.request_id
    assert first.replicas[0] == "one"
    assert answer.text == "Press Reset."
    assert answer.prompt_ids == second.prompt


async def test_the_replica_that_failed_is_kept_out_and_not_the_one_that_was_preferred() -> None:
    """The router skips a full replica, and the caller does not see that."""
    rig = rig_with()
    rig.replicas.updates = [resident(rig, "full", "c"), resident(rig, "dead", "b", pending=500)]
    dying = Dying(rig, times=1, replica="dead")
    rig.use(generator=dying)
    await rig.answer()
    await rig.answer()
    first, *later = dying.requests
    assert (first.replicas, first.avoid) == (("full", "dead"), ())
    assert [(request.replicas, request.avoid) for request in later] == [(("full",), ("dead",))] * 2


async def test_what_a_replica_refuses_is_tried_in_the_next_one_and_its_load_noted() -> None:
    rig = rig_with()
    rig.replicas.updates = [resident(rig, "one", "c"), resident(rig, "two", "b", pending=500)]
    busy = Dying(rig, times=1, fault=Overloaded("much waits", None, "one", 10_000))
    rig.use(generator=busy)
    assert (await rig.answer()).text == "Press Reset."
    await rig.answer()
    assert [(request.replicas[0], request.avoid) for request in busy.requests] == [
        ("one", ()),
        ("two", ("one",)),
        ("two", ()),
    ]


@pytest.mark.parametrize(("running", "refused_by"), [(("one",), "one"), ((), "one"), (("one", "two"), None)])
async def test_where_no_other_replica_is_known_a_refusal_is_the_answer(
    running: tuple[str, ...], refused_by: str | None
) -> None:
    """The same holds where the queue before all replicas is full, so that none is named."""
    rig = rig_with()
    rig.replicas.updates = [resident(rig, name, "c") for name in running]
    busy = Dying(rig, times=1, fault=Overloaded("much waits", None, refused_by, 10_000))
    rig.use(generator=busy)
    with pytest.raises(Overloaded):
        await rig.answer()
    assert len(busy.requests) == 1


async def test_a_prompt_is_sent_twice_at_most() -> None:
    rig = rig_with()
    dying = Dying(rig, times=2)
    rig.use(generator=dying)
    with pytest.raises(EngineUnavailable):
        await rig.answer()
    assert len(dying.requests) == 2


async def test_an_answer_that_no_caller_has_seen_is_started_again() -> None:
    rig = rig_with()
    rig.use(generator=Dying(rig, 1, before=(delta("Wrong"),)))
    answer = await rig.answer()
    assert answer.text == "Press Reset."
    assert len(answer.answer_ids) == 4 * len("Press Reset.")


async def test_an_answer_that_a_caller_has_seen_is_not_started_again() -> None:
    rig = rig_with()
    dying = Dying(rig, 1, before=(delta("Pre"),))
    rig.use(generator=dying)
    with pytest.raises(EngineUnavailable):
        async for _ in rig.rag.stream(question()):
            pass
    assert len(dying.requests) == 1


@pytest.mark.parametrize(
    ("asked", "configured", "temperature", "shared"),
    [(None, True, 0.0, True), (None, False, 0.0, False), (True, False, 0.0, True), (True, True, 0.5, False)],
)
async def test_answers_are_shared_where_that_is_wanted_and_sampling_is_greedy(
    asked: bool | None, configured: bool, temperature: float, shared: bool
) -> None:
    rig = rig_with()
    rig.use(share_answers=configured)
    base = question()
    sampling = type(base.sampling)(base.sampling.max_tokens, temperature)
    await rig.answer(question(share_answer=asked, sampling=sampling))
    assert rig.generator.requests[0].share_answer is shared


@pytest.mark.parametrize(
    ("shared", "answer"), [("flight", "shared"), ("kept", "reused"), (None, "generated")]
)
async def test_the_ledger_says_whose_answer_it_is(shared: str | None, answer: str) -> None:
    rig = rig_with()
    rig.generator.deltas = (delta("x", shared=shared, finish_reason="stop"),)
    assert (await rig.answer()).reuse.answer == answer

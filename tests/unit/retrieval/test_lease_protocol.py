"""After a change has returned, no holder has a lease on anything older, for any order of events.

Knowledge bases are killed, calls and answers lost or late, holders join. Time passes when a rule says so.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import LEASE_S, HolderId, Lease
from deployments.retrieval.granted_leases import GRANTED_S, LeaseTable, Reading
from deployments.retrieval.held_leases import HeldLeases
from tests.fakes import FakeClock

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
MAX_HOLDERS = 3


@dataclass
class Holder:
    """A process that holds leases."""

    id: HolderId
    held: HeldLeases


@dataclass(eq=False)
class Call:
    """A running search or `watch`. `read` is the generation that it has read, None before that."""

    holder: Holder
    sent_s: float
    reading: Reading
    ended: ExitStack
    read: int | None = None


@dataclass(eq=False)
class Answer:
    """The answer to a call, which may or may not arrive."""

    holder: Holder
    sent_s: float
    lease: Lease


@dataclass(eq=False)
class Change:
    """A change, committed as `generation`. Its caller waits from when it is announced."""

    generation: int
    announced: bool = False


@dataclass
class Knowledge:
    """One process of a knowledge base."""

    table: LeaseTable
    calls: list[Call] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Simulation:
    """One collection; its generation represents its contents. `random` decides what happens next."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.clock = FakeClock()
        self.generation = 0
        self.returned = 0
        self.names = 0
        self.holders: list[Holder] = []
        self.answers: list[Answer] = []
        self.knowledge = Knowledge(LeaseTable(self.clock, predecessor=False))

    def run(self, steps: int) -> None:
        """Takes steps, and checks after each."""
        self.join()
        events = {
            self.call: 8,
            self.proceed: 8,
            self.arrive: 8,
            self.change: 2,
            self.proceed_with_change: 8,
            self.pass_time: 1,
            self.lose: 1,
            self.cancel: 1,
            self.cancel_change: 1,
            self.wait_for_change: 0.5,
            self.join: 0.5,
            self.kill_knowledge: 0.1,
        }
        for event in self.random.choices(list(events), list(events.values()), k=steps):
            event()
            self.check()

    def check(self) -> None:
        """No holder uses anything older than the last change that has returned."""
        for holder in self.holders:
            state = holder.held.state(SCOPE)
            assert state is None or int(state.removeprefix("state ")) >= self.returned

    def pass_time(self) -> None:
        self.clock.pass_s(self.random.choice([0.01, 0.05, 0.2, 0.7, LEASE_S - 0.01, LEASE_S, GRANTED_S]))

    def join(self) -> None:
        self.names += 1
        if len(self.holders) == MAX_HOLDERS:
            self.holders.pop(0)
        self.holders.append(Holder(HolderId(str(self.names)), HeldLeases(self.clock)))

    def call(self) -> None:
        """A call arrives at once: its delay does not matter, only when it reads and when it is answered."""
        holder = self.random.choice(self.holders)
        ended = ExitStack()
        if self.random.random() < 0.5:  # it is a `watch`
            self.knowledge.table.acknowledge(holder.id, holder.held.known(30.0))
        reading = ended.enter_context(self.knowledge.table.reading([SCOPE]))[SCOPE]
        self.knowledge.calls.append(Call(holder, self.clock(), reading, ended))

    def proceed(self) -> None:
        if self.knowledge.calls:
            call = self.random.choice(self.knowledge.calls)
            if call.read is None:
                call.read = self.generation
            else:
                self._answer(call, call.read)

    def cancel(self) -> None:
        if self.knowledge.calls:
            self._end(self.random.choice(self.knowledge.calls))

    def arrive(self) -> None:
        if self.answers:
            answer = self.answers.pop(self.random.randrange(len(self.answers)))
            answer.holder.held.accept(SCOPE, answer.lease, answer.sent_s)

    def lose(self) -> None:
        if self.answers:
            self.answers.pop(self.random.randrange(len(self.answers)))

    def change(self) -> None:
        """Storing an equal document changes nothing, but the call returns no sooner than the first one."""
        self.generation += self.random.random() < 0.8
        self.knowledge.changes.append(Change(self.generation))

    def proceed_with_change(self) -> None:
        if self.knowledge.changes:
            change = self.random.choice(self.knowledge.changes)
            if change.announced:
                self._return(change)
            else:
                change.announced = True
                self.knowledge.table.announce(SCOPE, change.generation)

    def cancel_change(self) -> None:
        """The caller of a change has gone: the change is committed, but never returns."""
        if self.knowledge.changes:
            self._withdraw(self.random.choice(self.knowledge.changes))

    def wait_for_change(self) -> None:
        """No change waits longer than a lease lasts."""
        for change in [change for change in self.knowledge.changes if change.announced]:
            until_s = self.knowledge.table.wait_until_s(SCOPE, change.generation)
            if until_s is not None:
                assert until_s <= self.clock() + GRANTED_S
                self.clock.now_s = until_s
            self._return(change)
            assert change not in self.knowledge.changes

    def kill_knowledge(self) -> None:
        """The knowledge base is replaced by a new process. Answers already sent may still arrive."""
        self.knowledge = Knowledge(LeaseTable(self.clock, predecessor=True))

    def _answer(self, call: Call, read: int) -> None:
        granted = self.knowledge.table.grant(call.reading, SCOPE, call.holder.id, read)
        lease = Lease(read, f"state {read}", LEASE_S if granted else 0.0)
        self.answers.append(Answer(call.holder, call.sent_s, lease))
        self._end(call)

    def _end(self, call: Call) -> None:
        self.knowledge.calls.remove(call)
        call.ended.close()

    def _return(self, change: Change) -> None:
        """Returns a change to its caller if no older lease is left."""
        if self.knowledge.table.wait_until_s(SCOPE, change.generation) is None:
            self._withdraw(change)
            self.returned = max(self.returned, change.generation)

    def _withdraw(self, change: Change) -> None:
        self.knowledge.changes.remove(change)
        if change.announced:
            self.knowledge.table.withdraw(SCOPE, change.generation)


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_no_holder_uses_a_text_from_before_a_change_that_has_returned(seed):
    Simulation(Random(seed)).run(steps=400)

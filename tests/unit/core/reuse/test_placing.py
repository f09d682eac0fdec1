"""Order and replica together: always a permutation, the least cost, and chance among equals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import ORDERS, Candidate, Order, by_popularity, by_rank
from deployments.core.reuse.paths import SegmentId, segment_id
from deployments.core.reuse.placing import TIE_TOKENS, WAITING_PER_TOKEN, Placing, ReplicaState, place
from deployments.core.reuse.replica_view import ReplicaView
from tests.unit.core.reuse.test_replica_view import HEAD, change, update

PROMPT_TOKENS = 1000


def candidate(number: int, uses: int = 0, tokens: int = 100) -> Candidate:
    """One whose segment has the name `number`."""
    return Candidate(SegmentKey(f"{number:016x}"), tokens, uses)


def replica(name: str, *paths: tuple[int, ...], pending: int = 0, cached: int = 100) -> ReplicaState:
    """One that holds these paths after the head; each segment saves `cached` tokens."""
    view = ReplicaView(name)
    known = {path[:length] for path in paths for length in range(len(path) + 1)}
    view.apply(
        replace(
            update(*(change(*path, cached_to=cached * (1 + len(path))) for path in sorted(known, key=len))),
            replica=name,
        )
    )
    return ReplicaState(view, pending * WAITING_PER_TOKEN)


def placed(candidates, *replicas, sorting=by_rank, follow=True, best=None, seed=0, head=HEAD):
    """The decision of `place`."""
    order = Order("tried", sorting, follow, best)
    return place(candidates, head, PROMPT_TOKENS, replicas, order=order, rng=Random(seed))


numbers = st.lists(st.integers(0, 6), max_size=8)
paths = st.lists(st.lists(st.integers(0, 6), max_size=5, unique=True).map(tuple), max_size=5)
bests = st.sampled_from([None, "first", "last"])
clusters = st.lists(st.tuples(paths, st.integers(0, 1500)), max_size=4)


@settings(max_examples=40)
@pytest.mark.parametrize("sorting", {order.sorting for order in ORDERS.values()})
@given(asked=numbers, cluster=clusters, follow=st.booleans(), best=bests, seed=st.integers(0, 5))
def test_every_document_is_placed_once(sorting, asked, cluster, follow, best, seed):
    """The same key twice included; every replica is named once; no more is claimed than the prompt has."""
    replicas = [replica(str(n), *held, pending=pending) for n, (held, pending) in enumerate(cluster)]
    candidates = [candidate(number, uses=number % 3) for number in asked]
    done = placed(candidates, *replicas, sorting=sorting, follow=follow, best=best, seed=seed)
    if best and asked:
        assert done.order[0 if best == "first" else -1] == 0
    assert sorted(done.order) == list(range(len(asked)))
    assert sorted(done.replicas) == [state.view.replica for state in replicas]
    assert done.cached_tokens <= 100 * (1 + len(set(asked)))


@given(asked=numbers, cluster=clusters, follow=st.booleans(), seed=st.integers(0, 5))
def test_the_first_replica_holds_what_is_claimed_of_it_in_that_order(asked, cluster, follow, seed):
    """And costs no more than any other, ties aside, in the order that is best there."""
    replicas = {str(n): replica(str(n), *held, pending=pending) for n, (held, pending) in enumerate(cluster)}
    candidates = [candidate(number) for number in asked]
    done = placed(candidates, *replicas.values(), follow=follow, seed=seed)
    if not replicas:
        assert done == Placing(by_rank(candidates))
        return
    names = [segment_id(candidates[i].key) for i in done.order]
    assert replicas[done.replicas[0]].view.path_along(HEAD, names).cached_tokens >= done.cached_tokens
    costs = []
    for name in done.replicas:
        view = replicas[name].view
        wanted = [segment_id(c.key) for c in candidates]
        path = view.longest_path(HEAD, wanted) if follow else view.path_along(HEAD, names)
        waiting = replicas[name].pending_tokens // WAITING_PER_TOKEN
        costs.append(max(PROMPT_TOKENS - path.cached_tokens, 0) + waiting)
    assert costs[0] < min(costs) + TIE_TOKENS
    assert all(later > sooner - TIE_TOKENS for sooner, later in pairwise(costs))


@given(asked=numbers, cluster=clusters, seed=st.integers(0, 5))
def test_what_is_claimed_with_the_best_last_is_there_too(asked, cluster, seed):
    """In the first replica, along the order that was decided; and no order of the others would save more."""
    replicas = {str(n): replica(str(n), *held, pending=pending) for n, (held, pending) in enumerate(cluster)}
    candidates = [candidate(number) for number in asked]
    done = placed(candidates, *replicas.values(), best="last", seed=seed)
    if not replicas:
        return
    view = replicas[done.replicas[0]].view
    names = [segment_id(candidates[i].key) for i in done.order]
    assert view.path_along(HEAD, names).cached_tokens >= done.cached_tokens
    assert done.cached_tokens >= view.longest_path(HEAD, names[:-1]).cached_tokens


@given(asked=numbers, cluster=clusters, seed=st.integers(0, 5))
def test_what_is_claimed_with_the_best_first_is_there_too(asked, cluster, seed):
    """In the first replica, along the order that was decided; and no order that begins so would save more."""
    replicas = {str(n): replica(str(n), *held, pending=pending) for n, (held, pending) in enumerate(cluster)}
    candidates = [candidate(number) for number in asked]
    done = placed(candidates, *replicas.values(), best="first", seed=seed)
    if not replicas or len(asked) < 2:
        return
    view = replicas[done.replicas[0]].view
    first, *others = (segment_id(candidates[i].key) for i in done.order)
    assert view.path_along(HEAD, [first, *others]).cached_tokens == done.cached_tokens
    for order in islice(permutations(others), 50):
        assert view.path_along(HEAD, [first, *order]).cached_tokens <= done.cached_tokens


def test_the_best_stands_first_and_the_others_follow_what_is_resident_after_it():
    """Without a resident path that begins with it, the others come by rank."""
    asked = [candidate(n) for n in (1, 2, 3, 4)]
    held = replica("r", (4, 2, 3, 1), (1, 3))
    assert placed(asked, held, best="first") == Placing([0, 2, 1, 3], ("r",), 300, 2)
    assert placed(asked, replica("r", (4, 2)), best="first") == Placing([0, 1, 2, 3], ("r",), 100)


def test_a_second_copy_of_the_best_document_breaks_no_path():
    """One text under two ids has one key: the copy comes where it costs no reuse."""
    asked = [candidate(n) for n in (1, 1, 2, 3)]
    done = placed(asked, replica("r", (1, 2, 3)), best="first")
    assert done == Placing([0, 2, 3, 1], ("r",), 400, 3)


def test_the_best_stands_last_and_is_found_there_again():
    """The others come as they are cached; the same question then finds all of it."""
    asked = [candidate(n) for n in (1, 2, 3, 4)]
    assert placed(asked, replica("r", (1, 4), (3,)), best="last") == Placing([2, 1, 3, 0], ("r",), 200, 1)
    held = replica("r", (4, 2, 3, 1))
    assert placed(asked, held, best="last") == Placing([3, 1, 2, 0], ("r",), 500, 4)
    assert placed(asked[:1], held, best="last").order == [0]


def test_without_replicas_there_is_an_order_and_no_preference():
    """As before the first update of an engine."""
    asked = [candidate(1, uses=1), candidate(2, uses=9), candidate(3, uses=5)]
    assert placed(asked, sorting=by_popularity) == Placing([1, 2, 0], (), 0)


def test_what_is_resident_leads_and_the_rest_follows_in_its_policys_order():
    """The policy sees only the rest."""
    asked = [candidate(n, uses) for n, uses in [(1, 5), (2, 0), (3, 7), (4, 1), (5, 9)]]
    done = placed(asked, replica("r", (4, 2)), sorting=by_popularity)
    assert done == Placing([3, 1, 4, 2, 0], ("r",), 300, 2)


def test_without_following_the_order_is_the_policys_and_the_replica_fits_it():
    """A replica that holds another order is of no use then."""
    asked = [candidate(n) for n in (1, 2, 3)]
    states = replica("other", (3, 2, 1)), replica("fits", (1, 2))
    assert placed(asked, *states, follow=False) == Placing([0, 1, 2], ("fits", "other"), 300, 2)
    assert placed(asked, *states).order == [2, 1, 0]


def test_of_two_equal_documents_one_leads():
    """Its twin keeps its place among the rest."""
    asked = [candidate(n) for n in (7, 1, 2, 1)]
    assert placed(asked, replica("r", (1, 2))).order == [1, 2, 0, 3]


def test_another_head_gives_nothing():
    """Neither an order nor reuse; the replica is as good as any other."""
    asked = [candidate(n) for n in (1, 2)]
    assert placed(asked, replica("r", (2, 1)), head=SegmentId(5)) == Placing([0, 1], ("r",), 0)


@pytest.mark.parametrize(("pending", "first"), [(0, "holds"), (260, "holds"), (340, "idle"), (5000, "idle")])
def test_what_waits_outweighs_what_is_saved_where_it_is_more(pending, first):
    """Both in tokens, those that wait by their weight: the replica saves 300."""
    asked = [candidate(1), candidate(2)]
    for seed in range(10):
        states = (
            replica("holds", (2, 1), pending=pending),
            ReplicaState(ReplicaView("idle"), 0),
        )
        done = placed(asked, *states, seed=seed)
        assert done.replicas[0] == first
        assert (done.order, done.cached_tokens) == (([1, 0], 300) if first == "holds" else ([0, 1], 0))


def test_the_others_follow_by_cost():
    """The router skips a replica that is full or gone and takes the next."""
    names = {"c": 900, "a": 0, "d": 2000, "b": 300}
    states = [replica(name, (1,), pending=pending) for name, pending in names.items()]
    assert placed([candidate(1)], *states).replicas == ("a", "b", "c", "d")


@pytest.mark.parametrize("first_pending", [0, 31, 32, 500])
def test_equals_are_chosen_from_at_random(first_pending):
    """Also if they differ by less than `TIE_TOKENS`, whatever the least cost is."""
    near = [first_pending, first_pending + TIE_TOKENS - 1, first_pending + 7]
    states = [
        replica(str(n), (1,), pending=pending) for n, pending in enumerate([*near, near[0] + TIE_TOKENS])
    ]
    rng = Random(1)
    firsts: Counter[str] = Counter()
    for _ in range(300):
        done = place([candidate(1)], HEAD, PROMPT_TOKENS, states, order=ORDERS["trie"], rng=rng)
        firsts[done.replicas[0]] += 1
        assert done.replicas[-1] == "3"
    assert set(firsts) == {"0", "1", "2"}
    assert min(firsts.values()) > 60


def test_a_cached_prompt_costs_nothing_and_not_less():
    """A view that claims more than the prompt has does not make up for what waits."""
    states = (
        replica("more", (1,), cached=3000, pending=500),
        replica("all", (1,), cached=500),
    )
    assert placed([candidate(1)], *states).replicas == ("all", "more")


def test_many_replicas_are_searched_less_thoroughly_and_still_found():
    """The one among hundreds that holds all of it."""
    asked = [candidate(n) for n in range(5)]
    states = [*(replica(str(n), (n % 5,)) for n in range(300)), replica("all", (4, 2, 0, 1, 3))]
    done = placed(asked, *states)
    assert (done.replicas[0], done.order, done.cached_tokens) == ("all", [4, 2, 0, 1, 3], 600)


@pytest.mark.parametrize("best", [None, "first", "last"])
@pytest.mark.parametrize("follow", [True, False])
def test_the_segments_before_the_documents_come_first(best, follow):
    """In a conversation they are its earlier turns. Only the documents after them are ordered."""
    order = Order("tried", by_rank, follow, best)
    states = [replica("other", (1, 2, 3)), replica("own", (8, 9, 3, 2, 1), (8, 9, 1, 3, 2))]
    candidates = [candidate(number) for number in (1, 3, 2)]
    begin = [SegmentId(8), SegmentId(9)]
    done = place(candidates, HEAD, PROMPT_TOKENS, states, order=order, rng=Random(0), begin=begin)
    assert done.replicas == ("own", "other")
    assert done.cached_tokens == 600
    assert sorted(done.order) == [0, 1, 2]
    apart = place(candidates, HEAD, PROMPT_TOKENS, states[:1], order=order, rng=Random(0), begin=begin)
    assert apart.cached_tokens == 100


def test_the_last_document_counts_only_after_all_others():
    """Also after earlier turns, whose segments are on the path too."""
    order, states = Order("tried", by_rank, True, "last"), [replica("own", (8, 9, 1))]
    candidates, begin = [candidate(number) for number in (1, 3, 2)], [SegmentId(8), SegmentId(9)]
    done = place(candidates, HEAD, PROMPT_TOKENS, states, order=order, rng=Random(0), begin=begin)
    assert done.cached_tokens == 300

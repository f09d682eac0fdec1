"""Which prompts are selected for prefilling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.paths import SegmentId, Step, unpack_steps
from deployments.core.token_ids import from_bytes, token_ids
from deployments.engine.warm_prompts import WarmPrompt, plan

LENGTHS = (0, 7, 5, 3, 11, 2)
"""Of segments 1 to 5."""


def prompt(*names: int, salt: str = "a") -> WarmPrompt:
    return WarmPrompt(salt, tuple((SegmentId(name), token_ids([name] * LENGTHS[name])) for name in names))


def path(planned: WarmPrompt) -> tuple[str | int, ...]:
    return (planned.salt, *(name for name, _ in planned.segments))


def beginnings(prompts: list[WarmPrompt]) -> dict[tuple[str | int, ...], int]:
    """Every path that prompts run through, and the length of its last segment."""
    return {
        path(p)[: at + 1]: LENGTHS[p.segments[at - 1][0]] for p in prompts for at in range(1, len(path(p)))
    }


wanted = st.lists(
    st.builds(
        lambda names, salt: prompt(*names, salt=salt),
        st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True),
        st.sampled_from("ab"),
    ),
    max_size=12,
)


@given(wanted, st.integers(0, 80), st.integers(1, 40))
def test_a_plan_keeps_the_budget_and_the_models_length(
    prompts: list[WarmPrompt], budget: int, longest: int
) -> None:
    planned = plan(prompts, budget, longest)
    assert sum(beginnings(planned).values()) <= budget
    assert all(0 < p.tokens <= longest for p in planned)


@given(wanted, st.integers(0, 80), st.integers(1, 40))
def test_a_plan_names_beginnings_of_what_is_wanted_and_none_twice(
    prompts: list[WarmPrompt], budget: int, longest: int
) -> None:
    paths = [path(p) for p in plan(prompts, budget, longest)]
    assert all(any(path(p)[: len(one)] == one for p in prompts) for one in paths)
    assert not [(a, b) for a in paths for b in paths if a is not b and b[: len(a)] == a]


@given(wanted)
def test_with_room_everything_is_warmed_the_most_wanted_first(prompts: list[WarmPrompt]) -> None:
    planned = plan(prompts, 10_000, 10_000)
    assert beginnings(planned).keys() == beginnings(prompts).keys()
    assert not prompts or path(planned[0])[: len(path(prompts[0]))] == path(prompts[0])


@given(wanted, st.integers(0, 80))
def test_the_most_wanted_is_never_left_out_for_another(prompts: list[WarmPrompt], budget: int) -> None:
    planned = beginnings(plan(prompts, budget, 10_000))
    if prompts and prompts[0].tokens <= budget:
        assert planned.keys() >= beginnings(prompts[:1]).keys()


def test_a_longer_prompt_takes_the_place_of_its_beginning() -> None:
    planned = plan([prompt(1), prompt(2), prompt(1, 3), prompt(1, 4)], 100, 100)
    assert [path(p) for p in planned] == [("a", 1, 3), ("a", 2), ("a", 1, 4)]


def test_a_prompt_is_cut_in_whole_segments_to_what_is_left() -> None:
    assert [path(p) for p in plan([prompt(1, 2, 3, 4)], 16, 100)] == [("a", 1, 2, 3)]
    assert [path(p) for p in plan([prompt(1, 2, 3, 4)], 100, 14)] == [("a", 1, 2)]


def test_a_prompt_is_as_requests_have_it() -> None:
    two = prompt(2, 5)
    assert from_bytes(two.prompt).tolist() == [2] * 5 + [5] * 2
    assert unpack_steps(two.layout) == [Step(SegmentId(2), 5), Step(SegmentId(5), 2)]
    assert two.tokens == 7

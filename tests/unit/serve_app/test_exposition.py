"""Several agents' metrics become one text that Prometheus reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from deployments.core.metrics import AGENTS_READ
from serve_app.metrics.exposition import gauge_lines, merged


def text(node: str, *names: str) -> str:
    """What an agent on `node` shows of some counters."""
    return "".join(
        f"# HELP {name}_total about {name}\n# TYPE {name}_total counter\n"
        f'{name}_total{{node="{node}"}} 1.0\n{name}_total{{node="{node}",more="x # y"}} 2.0\n'
        for name in names
    )


def samples(exposed: str) -> dict[tuple[str, str], int]:
    """How many samples each metric has of each node. Raises ValueError if Prometheus could not read it."""
    found: dict[tuple[str, str], int] = {}
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            key = (sample.name, sample.labels["node"])
            found[key] = found.get(key, 0) + 1
    return found


NAMES = st.lists(st.sampled_from(["ray_a", "ray_warmline_b", "ray_gen_ai_c", "ray_vllm_d"]), unique=True)


@given(st.dictionaries(st.sampled_from(["one", "two", "three"]), NAMES))
def test_no_sample_is_lost_and_each_metric_has_one_head(agents):
    """A head that is repeated further down is an error for strict readers. Only our names change."""
    exposed = merged(text(node, *names) for node, names in agents.items())
    heads = [line for line in exposed.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    assert samples(exposed) == {
        (f"{name.removeprefix('ray_') if 'warmline' in name or 'gen_ai' in name else name}_total", node): 2
        for node, names in agents.items()
        for name in names
    }


def test_what_is_no_metric_of_ray_is_left_out():
    """An agent's own Python process: it has no node, so two agents' samples would be the same series."""
    exposed = merged(
        2 * ["# a comment\nfree 1\n# HELP python_info x\n# TYPE python_info gauge\npython_info 1\n"]
    )
    assert exposed == ""


def test_a_value_can_look_like_a_name():
    """Only names lose Ray's prefix."""
    line = '# HELP ray_a of ray_warmline_x\n# TYPE ray_a gauge\nray_a{is="ray_warmline_x"} 1\n'
    assert merged([line]) == line


def test_the_gauge_of_the_agents_themselves():
    """It is in the same text."""
    (family,) = text_string_to_metric_families(gauge_lines(AGENTS_READ, "read", {"yes": 2, "no": 1}))
    assert {sample.labels["read"]: sample.value for sample in family.samples} == {"yes": 2, "no": 1}

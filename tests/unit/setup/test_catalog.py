"""The embedded language models, and which of them is a machine's default."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from serve_app.setup import catalog
from serve_app.setup.bootstrap import GIB, LOCKS, MEMORY_BYTES
from serve_app.setup.catalog import EMBEDDED, LARGE, SMALL, EmbeddedModel, default_model

REQUIREMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9]+(\.[0-9]+)* --hash=sha256:[0-9a-f]{64}")

rows = pytest.mark.parametrize("model", EMBEDDED.values(), ids=EMBEDDED.keys())


@pytest.mark.parametrize(
    ("memory_gib", "cores", "name"),
    [
        (5.5, 2, SMALL),
        (9.9, 64, SMALL),
        (10, 1, SMALL),
        (10, 2, LARGE),
        (10, 4, LARGE),
        (512, 64, LARGE),
    ],
)
def test_memory_and_cores_decide(memory_gib: float, cores: int, name: str) -> None:
    """The larger model from 10 GiB and two cores on, which is the least that both take."""
    assert default_model(int(memory_gib * GIB), cores).name == name


@pytest.mark.parametrize("memory_bytes", [MEMORY_BYTES, 8 * GIB, 10 * GIB - 1, 10 * GIB, 64 * GIB])
@pytest.mark.parametrize("cores", [1, 2, 16])
def test_the_default_can_be_served(memory_bytes: int, cores: int) -> None:
    """On every machine that set-up accepts."""
    assert default_model(memory_bytes, cores).serving_bytes <= memory_bytes


@rows
def test_every_part_has_a_hash(model: EmbeddedModel) -> None:
    """And an exact version, so that pip accepts nothing else."""
    requirements = model.requirements()
    assert requirements
    assert [line for line in requirements if not REQUIREMENT.fullmatch(line)] == []


def test_no_package_is_named_twice() -> None:
    """Neither by two lines of a model nor by two models."""
    lines = [line for model in EMBEDDED.values() for line in model.requirements()]
    assert len({line.partition("==")[0] for line in lines}) == len(lines)
    assert len({line.partition("--hash=")[2] for line in lines}) == len(lines)


def test_parts_are_in_the_order_of_their_numbers() -> None:
    """Part 10 after part 9, where packages are numbered."""
    for model in EMBEDDED.values():
        numbers = [
            int(found[1]) for line in model.requirements() if (found := re.search(r"-part(\d+)=", line))
        ]
        assert numbers == list(range(1, len(numbers) + 1))


def test_names_are_unique() -> None:
    """So are titles, files and sums. The dictionary would lose one of two rows with the same name."""
    assert catalog.__file__
    tree = ast.parse(Path(catalog.__file__).read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    written = [call for call in calls if isinstance(call, ast.Name) and call.id == EmbeddedModel.__name__]
    assert len(written) == len(EMBEDDED)
    for field in ("title", "file", "sha256"):
        assert len({getattr(model, field) for model in EMBEDDED.values()}) == len(EMBEDDED)


def test_packages_and_rows_belong_together() -> None:
    """A file of packages for every row, and none without a row."""
    assert {file.stem for file in (LOCKS / "models").iterdir()} == set(EMBEDDED)


@rows
def test_a_row_is_complete(model: EmbeddedModel) -> None:
    """Sums and revisions are complete, sizes are plausible, and each model has the form for GPUs."""
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.hub is None or re.fullmatch("[0-9a-f]{40}", model.hub[1])
    assert model.file.endswith(".gguf")
    assert 0 < model.file_bytes < min(model.converted_bytes.values())
    assert "bfloat16" in model.converted_bytes


@pytest.mark.parametrize("name", [LARGE, SMALL])
def test_a_cpu_gets_int8(name: str) -> None:
    """A GPU gets bfloat16."""
    assert EMBEDDED[name].form_for(cpu=True) == "int8"
    assert EMBEDDED[name].form_for(cpu=False) == "bfloat16"


def test_a_model_without_int8_is_bfloat16_everywhere() -> None:
    """SmolLM2 is so small that int8 gains nothing."""
    model = EMBEDDED["smollm2-135m"]
    assert model.form_for(cpu=True) == model.form_for(cpu=False) == "bfloat16"

"""The language models that set-up can download by name, and which of them fits a machine.

To add a model, add a row here and its packages under `locks/models/`.
"""

from __future__ import annotations

from dataclasses import dataclass

from serve_app.setup.bootstrap import GIB, LOCKS
from serve_app.setup.weights import Form


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model whose GGUF file is published in packages of the Python index and on the model hub."""

    name: str
    """The value of WARMLINE_MODEL."""
    title: str
    """The model's usual name, which the engine reports."""
    file: str
    """The name of its GGUF file."""
    file_bytes: int
    """Size of the GGUF file."""
    sha256: str
    """Digest of the whole GGUF file."""
    hub: tuple[str, str] | None
    """Repository on the model hub, and revision; None if the hub does not have this file."""
    converted_bytes: dict[Form, int]
    """Size on disk for each form that set-up offers for this model."""
    serving_bytes: int
    """Memory of the whole application while it serves this model on a CPU."""

    def form_for(self, cpu: bool) -> Form:
        """The form to convert to: int8 on a CPU, where it halves memory and time, if offered; else
        bfloat16."""
        return "int8" if cpu and "int8" in self.converted_bytes else "bfloat16"

    def requirements(self) -> tuple[str, ...]:
        """Lines of pip requirements, with hashes, for the packages of the file's parts, in order."""
        lines = (LOCKS / "models" / f"{self.name}.txt").read_text().splitlines()
        return tuple(line for line in lines if line and not line.startswith("#"))


EMBEDDED = {
    model.name: model
    for model in (
        EmbeddedModel(
            name="qwen2.5-coder-1.5b",
            title="Qwen2.5-Coder-1.5B-Instruct",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            file_bytes=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            hub=("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "f86cb2c1fa58255f8052cc32aeede1b7482d4361"),
            converted_bytes={"int8": 1_790_000_000, "bfloat16": 3_100_000_000},
            serving_bytes=8 * GIB,
        ),
        EmbeddedModel(
            name="qwen2.5-coder-0.5b",
            title="Qwen2.5-Coder-0.5B-Instruct",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            file_bytes=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            hub=("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "ebb2015119c907b064c512bf053e945850b5875f"),
            converted_bytes={"int8": 650_000_000, "bfloat16": 1_000_000_000},
            serving_bytes=int(5.5 * GIB),
        ),
        EmbeddedModel(
            name="smollm2-135m",
            title="SmolLM2-135M-Instruct",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            file_bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            hub=None,
            # No int8: the model is so small that int8 gains nothing.
            converted_bytes={"bfloat16": 270_000_000},
            serving_bytes=int(5.5 * GIB),
        ),
    )
}

LARGE, SMALL = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"
LARGE_FROM_BYTES = 10 * GIB
"""Minimum memory for LARGE as the default: it takes 8 GiB, and 2 stay free."""
LARGE_FROM_CORES = 2


def default_model(memory_bytes: int, cores: int) -> EmbeddedModel:
    """The largest model that answers in reasonable time with this memory and number of cores."""
    fits = memory_bytes >= LARGE_FROM_BYTES and cores >= LARGE_FROM_CORES
    return EMBEDDED[LARGE if fits else SMALL]

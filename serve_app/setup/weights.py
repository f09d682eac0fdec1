"""Converts the weights of a GGUF file to safetensors that vLLM and transformers load.

There are two forms. `bfloat16` rounds each dequantized tensor. `int8` is W8A8: each row of a linear
layer becomes int8 values and one scale, and the engine quantizes activations per token at run time.
Tensors are converted one by one and written in shards, so that the whole model is never in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

Form = Literal["bfloat16", "int8"]

SHARD_BYTES = 400 * 2**20
"""A shard is written as soon as it holds this much."""

ROWS_AT_ONCE = 8192
"""Rows that are dequantized together. All 150,000 rows of an embedding would take 1 GB in float32."""

INT8_CONFIG: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "channel",
                "dynamic": False,
            },
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}
"""The int8 form's `quantization_config` in `config.json`, as compressed-tensors defines it."""


class GgufWeights:
    """The tensors of a GGUF file under the names that transformers gives them.

    `config` is the model's transformers configuration.
    """

    def __init__(self, source: Path, config: Any) -> None:
        from gguf import MODEL_ARCH, GGUFReader, get_tensor_name_map

        self._config = config
        self._tensors = {tensor.name: tensor for tensor in GGUFReader(source).tensors}
        arch = MODEL_ARCH[config.model_type.upper()]
        self._names = get_tensor_name_map(arch, config.num_hidden_layers)
        self.has_own_output = "output.weight" in self._tensors

    def read(self, name: str) -> Any:
        """The tensor that transformers calls `name`, dequantized to a float32 torch tensor.

        Raises KeyError where the file has none.
        """
        import torch
        from gguf.quants import dequantize

        tensor = self._tensors[self._gguf_name(name)]
        values = torch.empty([int(size) for size in reversed(tensor.shape)])  # GGUF names columns first
        for at in range(0, len(values), ROWS_AT_ONCE):
            rows = slice(at, at + ROWS_AT_ONCE)
            values[rows] = torch.tensor(dequantize(tensor.data[rows], tensor.tensor_type))
        return self._unpermuted(name, values) if self._config.model_type == "llama" else values

    def _gguf_name(self, name: str) -> str:
        # If embedding and output are one matrix, the file may have two copies. The output's is quantized
        # less.
        if name == "model.embed_tokens.weight" and self._config.tie_word_embeddings and self.has_own_output:
            return "output.weight"
        found = self._names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise KeyError(name)
        return str(found)

    def _unpermuted(self, name: str, values: Any) -> Any:
        """Moves the halves of each rotary pair apart: GGUF stores them next to each other."""
        heads = {
            "q_proj.weight": self._config.num_attention_heads,
            "k_proj.weight": self._config.num_key_value_heads,
        }.get(".".join(name.split(".")[-2:]))
        if heads is None:
            return values
        return values.view(heads, -1, 2, values.shape[-1]).transpose(1, 2).reshape(values.shape)


def write_weights(weights: GgufWeights, names: list[str], target: Path, form: Form) -> None:
    """Writes the tensors `names` into `target` as shards and their index. Raises KeyError, OSError."""
    shards = _Shards(target)
    for name in names:
        for stored_name, tensor in _stored(name, weights.read(name), form):
            shards.add(stored_name, tensor)
    shards.finish()


def _stored(name: str, values: Any, form: Form) -> Iterator[tuple[str, Any]]:
    import torch

    if form == "int8" and name.endswith("_proj.weight"):
        quantized, scale = quantize_rows(values)
        yield name, quantized
        yield f"{name}_scale", scale
    else:
        yield name, values.to(torch.bfloat16)


def quantize_rows(values: Any) -> tuple[Any, Any]:
    """A float32 matrix [rows, columns] as int8 [rows, columns] and bfloat16 scales [rows, 1].

    A row's largest value becomes 127. The scale is rounded to bfloat16 first, since the engine
    multiplies by the rounded one.
    """
    import torch

    scale = (values.abs().amax(dim=1, keepdim=True) / 127).to(torch.bfloat16)
    scale[scale == 0] = 1
    quantized = (values / scale.float()).round().clamp(-127, 127).to(torch.int8)
    return quantized, scale


class _Shards:
    """Collects tensors, and writes a file whenever they reach `SHARD_BYTES`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._pending: dict[str, Any] = {}
        self._bytes = 0
        self._file_of: dict[str, str] = {}
        self._files = 0
        self._total_bytes = 0

    def add(self, name: str, tensor: Any) -> None:
        self._pending[name] = tensor.contiguous()
        self._bytes += tensor.nbytes
        if self._bytes >= SHARD_BYTES:
            self._write()

    def finish(self) -> None:
        if self._pending:
            self._write()
        index = {"metadata": {"total_size": self._total_bytes}, "weight_map": self._file_of}
        (self._target / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))

    def _write(self) -> None:
        from safetensors.torch import save_file

        self._files += 1
        file = f"model-{self._files:05}.safetensors"
        save_file(self._pending, self._target / file, metadata={"format": "pt"})
        self._file_of |= dict.fromkeys(self._pending, file)
        self._total_bytes += self._bytes
        self._pending, self._bytes = {}, 0

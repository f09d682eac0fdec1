"""A conversion keeps the weights of a GGUF file, exactly in bfloat16 and approximately in int8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from transformers import LlamaConfig, Qwen2Config

from serve_app.setup import weights
from serve_app.setup.weights import GgufWeights, quantize_rows, write_weights

# Vectors are views of the read-only file, about which torch warns once; the code copies them at once.
pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")

LAYERS, HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 2, 32, 4, 2, 64, 48
HALF = HIDDEN // HEADS // 2

OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
IN_A_LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
BIASES = {f"self_attn.{name}_proj.bias": f"attn_{name}.bias" for name in "qkv"}
"""Biases, which Qwen2 has."""
ROWS = {"q_proj": HIDDEN, "k_proj": KV_HEADS * 2 * HALF, "v_proj": KV_HEADS * 2 * HALF, "o_proj": HIDDEN}
ROWS |= {"gate_proj": FEED_FORWARD, "up_proj": FEED_FORWARD, "down_proj": HIDDEN, "embed_tokens": VOCABULARY}

Array = np.ndarray[Any, np.dtype[np.float32]]


def _names(architecture: str) -> dict[str, str]:
    """The GGUF names of all tensors, by the names that transformers gives them."""
    inside = IN_A_LAYER | (BIASES if architecture == "qwen2" else {})
    return OUTSIDE | {
        f"model.layers.{layer}.{name}": f"blk.{layer}.{gguf_name}"
        for layer in range(LAYERS)
        for name, gguf_name in inside.items()
    }


def _config(architecture: str, tied: bool = True) -> Any:
    kind = {"llama": LlamaConfig, "qwen2": Qwen2Config}[architecture]
    return kind(
        num_hidden_layers=LAYERS,
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        intermediate_size=FEED_FORWARD,
        vocab_size=VOCABULARY,
        tie_word_embeddings=tied,
    )


def _drawn(name: str, random: np.random.Generator) -> Array:
    *_, matrix, kind = name.split(".")
    rows = ROWS.get(matrix, HIDDEN)
    columns = FEED_FORWARD if matrix == "down_proj" else HIDDEN
    is_vector = kind == "bias" or "norm" in matrix
    return random.standard_normal(rows if is_vector else (rows, columns), dtype=np.float32)


def _permuted(values: Array, heads: int) -> Array:
    """The permutation that llama.cpp's converter applies to `q_proj` and `k_proj` of llama models."""
    apart = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return apart.swapaxes(1, 2).reshape(values.shape)


def _write_gguf(file: Path, architecture: str, more: dict[str, Array] | None = None) -> dict[str, Any]:
    """Writes a model; returns its file's tensors, unpermuted, by transformers' names.

    As in published files: matrices are quantized, and vectors are not.
    """
    random, held = np.random.default_rng(7), {}
    writer = GGUFWriter(file, architecture)
    for name, gguf_name in _names(architecture).items():
        values = _drawn(name, random)
        if values.ndim == 1:
            writer.add_tensor(gguf_name, values)
        else:
            # Rows are quantized one by one, so they can be permuted before or after.
            packed = quantize(values, GGMLQuantizationType.Q8_0)
            values = dequantize(packed, GGMLQuantizationType.Q8_0)
            heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(name.split(".")[-2])
            packed = _permuted(packed, heads) if heads and architecture == "llama" else packed
            writer.add_tensor(gguf_name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
        held[name] = torch.from_numpy(values)
    for gguf_name, values in (more or {}).items():
        writer.add_tensor(gguf_name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held


def _load(folder: Path) -> dict[str, Any]:
    """All tensors of a converted folder, each from the shard named in the index."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    shards = {file.name: load_file(file) for file in folder.glob("*.safetensors")}
    assert {name: file for file, shard in shards.items() for name in shard} == index["weight_map"]
    loaded = {name: shards[file][name] for name, file in index["weight_map"].items()}
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in loaded.values())
    return loaded


def _equal(found: Any, expected: Any) -> bool:
    return bool(found.dtype == expected.dtype and torch.equal(found, expected))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards so small that even a tiny model has several."""
    monkeypatch.setattr(weights, "SHARD_BYTES", 10_000)


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_bfloat16_is_what_was_written(architecture: str, tmp_path: Path) -> None:
    """Every tensor is rounded once, and the index has its shard."""
    held = _write_gguf(tmp_path / "model.gguf", architecture)
    read = GgufWeights(tmp_path / "model.gguf", _config(architecture))
    write_weights(read, list(held), tmp_path, "bfloat16")
    loaded = _load(tmp_path)
    assert loaded.keys() == held.keys()
    assert [name for name in held if not _equal(loaded[name], held[name].to(torch.bfloat16))] == []
    assert len(list(tmp_path.glob("*.safetensors"))) > 2


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_int8_has_scales_for_linear_layers_only(architecture: str, tmp_path: Path) -> None:
    """All others are the same in both forms."""
    held = _write_gguf(tmp_path / "model.gguf", architecture)
    read = GgufWeights(tmp_path / "model.gguf", _config(architecture))
    write_weights(read, list(held), tmp_path, "int8")
    expected = {}
    for name, values in held.items():
        if "proj.weight" in name:
            expected[name], expected[f"{name}_scale"] = quantize_rows(values)
        else:
            expected[name] = values.to(torch.bfloat16)
    loaded = _load(tmp_path)
    assert loaded.keys() == expected.keys()
    assert [name for name in expected if not _equal(loaded[name], expected[name])] == []
    assert len(list(tmp_path.glob("*.safetensors"))) > 2


@pytest.mark.parametrize("rows_at_once", [1, 5, 48])
def test_reading_a_few_rows_at_once_changes_nothing(
    rows_at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the number divides the rows or the last block is smaller."""
    held = _write_gguf(tmp_path / "model.gguf", "llama")
    monkeypatch.setattr(weights, "ROWS_AT_ONCE", rows_at_once)
    read = GgufWeights(tmp_path / "model.gguf", _config("llama"))
    assert [name for name, values in held.items() if not _equal(read.read(name), values)] == []


def test_a_shared_matrix_is_taken_from_the_better_copy(tmp_path: Path) -> None:
    """The output's copy is used; if the model does not share the matrix, both are kept."""
    output = np.random.default_rng(8).standard_normal((VOCABULARY, HIDDEN), dtype=np.float32)
    held = _write_gguf(tmp_path / "model.gguf", "qwen2", {"output.weight": output})
    name = "model.embed_tokens.weight"
    shared, apart = (GgufWeights(tmp_path / "model.gguf", _config("qwen2", tied)) for tied in (True, False))
    assert _equal(shared.read(name), torch.from_numpy(output))
    assert _equal(apart.read(name), held[name])
    assert _equal(apart.read("lm_head.weight"), torch.from_numpy(output))


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.q_proj.bias", "model.layers.9.norm", "x"])
def test_a_tensor_that_is_not_there_is_a_key_error(name: str, tmp_path: Path) -> None:
    """Known to the architecture or not."""
    _write_gguf(tmp_path / "model.gguf", "llama")
    with pytest.raises(KeyError):
        GgufWeights(tmp_path / "model.gguf", _config("llama")).read(name)


_values = st.just(0.0) | st.floats(2**-20, 2**20, width=32)
_matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 12)),
    elements=_values | _values.map(lambda value: -value),
)


@given(_matrices)
def test_every_value_comes_back_within_half_a_scale(values: Array) -> None:
    """As the engine computes it: int8 times the row's rounded scale. Shapes are the engine's, too."""
    quantized, scale = quantize_rows(torch.from_numpy(values))
    assert (quantized.dtype, quantized.shape) == (torch.int8, values.shape)
    assert (scale.dtype, scale.shape) == (torch.bfloat16, (len(values), 1))
    scales = scale.double().numpy()
    off = np.abs(quantized.double().numpy() * scales - values)
    assert (off <= scales * 0.5001).all()


@given(_matrices)
def test_a_row_uses_all_of_int8(values: Array) -> None:
    """A row's largest value becomes 127, or 126 due to the scale's rounding; zeros stay zeros."""
    quantized, scale = quantize_rows(torch.from_numpy(values))
    for row, integers, row_scale in zip(values, quantized.numpy(), scale.float().numpy(), strict=True):
        at = int(np.abs(row).argmax())
        if row[at] == 0:
            assert not integers.any()
            assert row_scale == 1
        else:
            assert abs(int(integers[at])) in {126, 127}
            assert (integers[at] > 0) == (row[at] > 0)
        assert not integers[row == 0].any()


def test_rows_have_scales_of_their_own() -> None:
    """A large value lowers the precision of its own row only."""
    quantized, scale = quantize_rows(torch.tensor([[127.0, 1.0], [0.0, 0.0], [-0.5, 0.25]]))
    assert quantized.tolist() == [[127, 1], [0, 0], [-127, 64]]
    assert scale.flatten().tolist() == pytest.approx([1, 1, 0.5 / 127], rel=2**-8)

"""The engine on a GPU: cold, repeated and shared prompts, residency, cancelling, schema, one GPU of its own.

    make gpu EXTRA=gpu [BENCH="--model FOLDER"]     # or: python -m tests.gpu.run
    make gpu BENCH=--cpu                            # the same on a CPU, with SmolLM2 and short prompts

Exits with 1 if something is not as expected, and with 2 if there is no GPU. Expected on every machine:
exact counts of reused tokens, nothing reused across tenants, reports that say what is found next, cancelled
requests that end, valid JSON. Expected on a GPU, and shown as claims: a repeated prompt of the longest size
takes at most a quarter of its cold time to the first token, and one with a shared half at most 0.7 of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from deployments.engine.config import engine_arguments
from serve_app.setup.catalog import EMBEDDED
from serve_app.setup.models import ensure_embedded_llm, runs_on_cpu
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import BENCH_MODEL, environment, model_dir
from tests.gpu import checks
from tests.gpu.asking import Replica, model_config, open_replica
from tests.gpu.checks import Check

GPU_SIZES = [1024, 2048, 4096, 8192, 16_384]
CPU_SIZES = [512, 1024]
GPU_MODEL = "qwen2.5-coder-1.5b"
GPU_STREAMS, CPU_STREAMS = 64, 4


def main() -> None:
    """Runs all checks and writes `bench-results/gpu.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="try it on a CPU, with short prompts")
    parser.add_argument("--model", help="a folder or Hugging Face name (default: an embedded model)")
    options = parser.parse_args()
    if not options.cpu and (missing := no_gpu()):
        print(f"{missing}. `make gpu BENCH=--cpu` tries the same on a CPU.", file=sys.stderr)
        sys.exit(2)
    with environment():
        model = options.model or embedded(BENCH_MODEL if options.cpu else GPU_MODEL)
        found, report = asyncio.run(run(options.cpu, model))
    report.sections["checks"] = [one._asdict() | {"met": one.met} for one in found]
    print(f"written to {report.write(RESULTS / 'gpu.json')}")
    sys.exit(0 if all(one.met for one in found) else 1)


def no_gpu() -> str:
    """Why this machine can't run it; "" if it can."""
    if runs_on_cpu():
        return "the CPU build of vLLM is installed: run `make gpu EXTRA=gpu`"
    import torch

    if not torch.cuda.is_available():
        return "PyTorch finds no GPU: `nvidia-smi` must show one, with a driver for CUDA 13"
    return ""


def embedded(name: str) -> Path:
    """The folder of an embedded model, unquantized."""
    return ensure_embedded_llm(EMBEDDED[name], "bfloat16", model_dir(), print)


async def run(cpu: bool, model: Path | str) -> tuple[list[Check], Report]:
    """All checks on one engine, printed as they are made."""
    sizes = CPU_SIZES if cpu else GPU_SIZES
    config = model_config(model, 0 if cpu else 1, sizes[-1])
    report = Report({"cpu": cpu, "model": str(model), "sizes": sizes})
    arguments = engine_arguments(config, "cpu" if cpu else "gpu", frozenset())
    found = _shown([Check("one GPU: not split", None, arguments.get("tensor_parallel_size"))])
    async with open_replica(config) as replica:
        print(await replica.vllm.describe(), flush=True)
        await checks.streams(replica, 1)  # the first requests compile kernels
        found += await _reused(replica, sizes, report, cpu)
        found += _shown(await checks.residency(replica, sizes[0]))
        found += _shown(await checks.cancelled(replica, sizes[0]))
        found += _shown(await checks.schema(replica))
        rates = await checks.streams(replica, CPU_STREAMS if cpu else GPU_STREAMS)
    report.table("Streams", [rates])
    report.sections["streams"] = rates
    return found, report


async def _reused(replica: Replica, sizes: list[int], report: Report, cpu: bool) -> list[Check]:
    found, rows = [], []
    async for some, row in checks.reuse(replica, sizes):
        found += _shown(some)
        rows.append(row)
    report.table("Time to the first token", rows)
    report.sections["reuse"] = rows
    if not cpu:
        last = rows[-1]
        for name, figure, goal in (("repeated", "repeated_ms", 0.25), ("shared_half", "shared_half_ms", 0.7)):
            ratio = last[figure] / last["cold_ms"]
            report.claim(Claim(f"ttft_{name}_of_cold", ratio, "", goal, "lower", f"{sizes[-1]} tokens"))
    return found


def _shown(some: list[Check]) -> list[Check]:
    for one in some:
        verdict = "ok  " if one.met else "FAIL"
        print(f"{verdict} {one.name}: expected {one.expected}, found {one.found}", flush=True)
    return some


if __name__ == "__main__":
    main()

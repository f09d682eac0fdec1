"""What does int8 cost, and what does it gain?

    python -m tests.bench.studies.int8_loss [--model qwen2.5-coder-0.5b]

Converts an embedded model to int8 and bfloat16 and measures each form on an engine: perplexity over sample
articles, seconds to prefill 1,000 tokens, milliseconds to decode a token. Runs on a CPU only. To compare the
key facts in the answers, run `answer_quality` with WARMLINE_MODEL set to the folder of each form. Writes
`bench-results/int8-loss.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, get_args

from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from serve_app.settings import Settings
from serve_app.setup.catalog import EMBEDDED, LARGE
from serve_app.setup.models import ensure_embedded_llm
from serve_app.setup.weights import Form
from tests.bench.harness.report import RESULTS, Report

SAMPLES = Path("deployments/knowledge/samples/support_kb")
ARTICLES = 30
ARTICLE_TOKENS = 256
PREFILL_TOKENS = 1000
DECODE_TOKENS = 40
ROUNDS = 5


class Measured:
    """Measures one form of the weights on its engine."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self._rng = random.Random(1)
        self._asked = 0

    async def seconds(self, prompt_tokens: int, answer_tokens: int) -> tuple[float, float]:
        """Time to the first token of a prompt that is not cached, and time of each later token."""
        ids = [self._rng.randrange(1000, 30_000) for _ in range(prompt_tokens)]
        self._asked += 1
        request = GenerateRequest(
            RequestId(f"q{self._asked}"),
            to_bytes(token_ids(ids)),
            Sampling(answer_tokens, 0.0, ignore_eos=True),
            "salt",
            deadline_s=600,
        )
        started_s, times_s = time.monotonic(), list[float]()
        async for _ in self._engine.generate(request):
            times_s.append(time.monotonic())
        return times_s[0] - started_s, (times_s[-1] - times_s[0]) / max(answer_tokens - 1, 1)

    async def negative_log_likelihood(self, ids: Sequence[int]) -> float:
        """Sum over all tokens of a text but the first, in nats."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input

        self._asked += 1
        parameters = SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0)
        prompt = tokens_input(list(ids), cache_salt=f"nll{self._asked}")
        total = 0.0
        async for output in self._engine._llm.generate(prompt, parameters, f"nll{self._asked}"):
            found = output.prompt_logprobs or []
            total = -sum(place[token].logprob for place, token in zip(found[1:], ids[1:], strict=True))
        return total


def sample_articles(folder: Path) -> list[list[int]]:
    """The first tokens of sample articles. The tokenizer is in `folder`."""
    encoder = BundleEncoder(load_bundle(str(folder)))
    texts = [re.sub(r"^---.*?---", "", p.read_text(), flags=re.DOTALL) for p in sorted(SAMPLES.glob("*.md"))]
    return [list(encoder.encode_text(text.strip()))[:ARTICLE_TOKENS] for text in texts[:ARTICLES]]


async def measure(folder: Path, form: Form, articles: Sequence[Sequence[int]]) -> dict[str, Any]:
    """A row of the table: one form's figures."""
    engine = await VllmEngine.start(EngineConfig(str(folder), form, max_model_len=4096))
    try:
        measured = Measured(engine)
        await measured.seconds(100, 4)
        prefill_s = [(await measured.seconds(PREFILL_TOKENS, 1))[0] for _ in range(ROUNDS)]
        decode_s = [(await measured.seconds(PREFILL_TOKENS, DECODE_TOKENS))[1] for _ in range(ROUNDS)]
        nll = [await measured.negative_log_likelihood(ids) for ids in articles]
    finally:
        await engine.shutdown()
    return {
        "form": form,
        "perplexity": round(math.exp(sum(nll) / sum(len(ids) - 1 for ids in articles)), 3),
        "prefill s": round(median(prefill_s), 2),
        "decode ms": round(1000 * median(decode_s), 1),
    }


def main() -> None:
    """Measures both forms."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=EMBEDDED, default=LARGE)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report(vars(asked))
    settings = Settings.from_env(os.environ)
    rows = []
    for form in get_args(Form):
        folder = ensure_embedded_llm(EMBEDDED[asked.model], form, settings.models, print)
        gb = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
        rows.append(asyncio.run(measure(folder, form, sample_articles(folder))) | {"GB": round(gb, 2)})
    report.table("The same model in both forms", rows)
    report.sections["int8_loss"] = rows
    print(f"written to {report.write(RESULTS / 'int8-loss.json')}")


if __name__ == "__main__":
    main()
